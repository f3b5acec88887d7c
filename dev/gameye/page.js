// The simulator's page, in the browser: reads /_sim/state every second and draws it. Text only ever enters the page as
// text nodes, because ids and paths come from whoever calls the API.

const PRESETS = [
  [
    'POST: answer lost, session runs',
    { operation: 'session-run', on: { times: 1 }, action: { kind: 'drop', when: 'after' } },
  ],
  [
    'POST: dropped, half of them',
    { operation: 'session-run', on: { rate: 0.5 }, action: { kind: 'drop', when: 'before' } },
  ],
  ['POST: 503, half of them', { operation: 'session-run', on: { rate: 0.5 }, action: { kind: 'status', status: 503 } }],
  ['POST: region full (420)', { operation: 'session-run', on: 'always', action: { kind: 'status', status: 420 } }],
  ['POST: start 10 s slower', { operation: 'session-run', on: 'always', action: { kind: 'slow-start', ms: 10000 } }],
  ['list: empty', { operation: 'session-list', on: 'always', action: { kind: 'body', body: { sessions: [] } } }],
  ['list: one minute old', { operation: 'session-list', on: 'always', action: { kind: 'stale-list', ageMs: 60000 } }],
  ['list: breaks off', { operation: 'session-list', on: 'always', action: { kind: 'truncate' } }],
  ['DELETE: 500', { operation: 'session-stop', on: 'always', action: { kind: 'status', status: 500 } }],
  ['everything: 401', { on: 'always', action: { kind: 'status', status: 401 } }],
  ['everything: HTML 502', { on: 'always', action: { kind: 'status', status: 502, html: true } }],
  ['everything: 2 s late', { on: 'always', action: { kind: 'delay', ms: 2000 } }],
];

const byId = (id) => document.getElementById(id);

function element(tag, content, className) {
  const node = document.createElement(tag);
  node.append(...[content ?? []].flat());
  if (className) node.className = className;
  return node;
}

function button(text, action) {
  const node = element('button', text);
  node.onclick = action;
  return node;
}

/** A row per item; each cell is text, a node, or [content, class]. */
function fill(id, items, cells) {
  const rows = items.map((item) => {
    const row = element('tr');
    for (const cell of cells(item))
      row.append(Array.isArray(cell) ? element('td', cell[0], cell[1]) : element('td', cell));
    return row;
  });
  byId(id).replaceChildren(...rows);
}

async function ask(method, path, body) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(`/_sim${path}`, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : {};
  if (!response.ok) throw new Error(answer.message ?? `${response.status}`);
  return answer;
}

/** For buttons and fields: does it, shows what went wrong, and draws the result at once. */
async function act(method, path, body) {
  byId('note').textContent = '';
  try {
    await ask(method, path, body);
  } catch (error) {
    byId('note').textContent = error.message;
  }
  await refresh();
}

const configure = (change) => act('PATCH', '/settings', change);

function seconds(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

function drawRegions({ regions, pools }) {
  // A redraw would take the field away under somebody's fingers.
  if (byId('regions').contains(document.activeElement) && document.activeElement.tagName === 'INPUT') return;
  fill('regions', regions, ({ name, running, starting, occupied, capacity, outage }) => {
    const field = Object.assign(element('input'), { type: 'number', min: 0, value: capacity });
    field.onchange = () => configure({ regions: { [name]: { capacity: Number(field.value) } } });
    const warm = pools
      .filter(({ region }) => region === name)
      .map(({ image, ready, size }) => `${image} ${ready}/${size}`);
    const toggle = button(outage ? 'end the outage' : 'outage', () =>
      configure({ regions: { [name]: { outage: !outage } } }),
    );
    return [[name, outage ? 'bad' : ''], running, starting, [[`${occupied} of `, field]], warm.join(', '), toggle];
  });
}

function drawSettings({ settings }) {
  for (const field of document.querySelectorAll('[data-setting]')) {
    if (field !== document.activeElement) field.value = settings[field.dataset.setting] ?? '';
  }
}

function drawFaults({ faults }) {
  fill('faults', faults, ({ id, operation, region, on, action, seen, hit }) => [
    id,
    [operation, region].filter(Boolean).join(' ') || 'everything',
    [JSON.stringify(action), 'wide'],
    JSON.stringify(on),
    `hit ${hit} of ${seen}`,
    button('remove', () => act('DELETE', `/faults/${id}`)),
  ]);
}

function draw(state) {
  const { ledger, requests, atMs } = state;
  const ended = Object.entries(ledger.ended).filter(([, count]) => count > 0);
  byId('counts').textContent =
    `${ledger.total} sessions ever, ${ledger.live} live, ${requests.total} requests` +
    (ended.length ? ` · ended by ${ended.map(([how, count]) => `${how} ${count}`).join(', ')}` : '');
  drawSettings(state);
  drawRegions(state);
  drawFaults(state);
  fill('sessions', state.sessions, ({ id, region, image, status, players, warm, requestedAtMs }) => [
    [id, 'wide'],
    region,
    warm ? `${image} (warm)` : image,
    [status, status === 'running' ? '' : 'dim'],
    players,
    seconds(atMs - requestedAtMs),
    button('kill -9', () => act('POST', `/sessions/${encodeURIComponent(id)}/kill`)),
  ]);
  fill('requests', requests.latest, ({ ordinal, operation, method, path, status, tookMs, fault }) => [
    ordinal,
    operation,
    [`${method} ${path}`, 'wide'],
    [status, status === 'dropped' || status >= 400 ? 'bad' : ''],
    tookMs === undefined ? '' : `${tookMs} ms`,
    fault ?? '',
  ]);
}

async function refresh() {
  try {
    draw(await ask('GET', '/state'));
    document.body.style.opacity = '1';
  } catch {
    document.body.style.opacity = '0.4'; // the simulator is gone: what is shown is the past
  }
}

for (const [text, rule] of PRESETS) byId('presets').append(button(text, () => act('POST', '/faults', rule)));
byId('presets').append(button('remove all', () => act('DELETE', '/faults')));
for (const field of document.querySelectorAll('[data-setting]')) {
  field.onchange = () => configure({ [field.dataset.setting]: field.value === '' ? null : Number(field.value) });
}
for (;;) {
  if (!document.hidden) await refresh();
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
