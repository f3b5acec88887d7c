// The simulator's page, in the browser: reads /_sim/state every second and shows it.
import { faultForm, inWords } from './page-faults.js';
import { button, byId, duration, element, keyed, row, setField, show } from './page-view.js';

async function ask(method, path, body) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const payload = body === undefined ? null : JSON.stringify(body);
  const response = await fetch(`/_sim${path}`, { method, headers, body: payload });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : {};
  if (!response.ok) throw new Error(answer.message ?? `${response.status}`);
  return answer;
}

/** For buttons and fields: does it, says what went wrong, and shows the result at once. */
async function act(method, path, body) {
  show(byId('note'), '');
  await ask(method, path, body).catch((error) => show(byId('note'), error.message));
  await refresh();
}

const configure = (change) => act('PATCH', '/settings', change);

const drawTiles = keyed(
  byId('tiles'),
  ([name]) => name,
  ([name]) => {
    const value = element('strong');
    const node = element('li', { children: [value, element('span', { children: [name] })] });
    return { node, update: ([, text, className = '']) => show(value, text, { className }) };
  },
);

const drawRegions = keyed(
  byId('regions'),
  ({ name }) => name,
  ({ name }) => {
    const outage = element('input', { type: 'checkbox', role: 'switch', 'aria-label': `Outage of ${name}` });
    const capacity = element('input', { type: 'number', min: '0', 'aria-label': `Capacity of ${name}` });
    const meter = element('meter', { min: '0', 'aria-label': `How full ${name} is` });
    const [counts, state, pools] = [element('p'), element('span'), element('p', { className: 'dim' })];
    const change = (to) => configure({ regions: { [name]: to } });
    outage.addEventListener('change', () => change({ outage: outage.checked }));
    capacity.addEventListener('change', () => change({ capacity: Number(capacity.value) }));
    const title = element('div', { className: 'title', children: [element('h3', { children: [name] }), state] });
    const fields = element('div', {
      className: 'fields',
      children: [
        element('label', { children: ['capacity', capacity] }),
        element('label', { className: 'switch', children: ['outage', outage] }),
      ],
    });
    const node = element('article', { children: [title, meter, counts, pools, fields] });
    const update = (region) => {
      const full = region.occupied >= region.capacity;
      const look = region.outage ? 'bad' : full ? 'warn' : 'good';
      show(state, region.outage ? 'outage' : full ? 'full' : 'open', { className: `pill ${look}` });
      show(
        counts,
        `${region.running} running, ${region.starting} starting, ${region.occupied} of ${region.capacity} taken`,
      );
      show(pools, region.pools);
      if (meter.max !== Math.max(1, region.capacity)) meter.max = Math.max(1, region.capacity);
      meter.value = region.capacity === 0 ? 1 : region.occupied;
      if (outage !== document.activeElement || outage.checked !== region.outage) outage.checked = region.outage;
      setField(capacity, region.capacity);
    };
    return { node, update };
  },
);

const SESSION_LOOK = { running: 'good', created: 'warn', restarting: 'warn', shuttingdown: 'dim' };

/** A dot for each seat that was asked for, filled where a player has arrived; drawn, because not every font has dots. */
function drawSeats(node, players, expected) {
  const most = Math.max(players, expected);
  const drawn = most === 0 ? 'nobody' : most > 12 ? `${players} of ${most}` : '';
  const key = `${players}/${expected}`;
  if (node.dataset.seats === key) return;
  node.dataset.seats = key;
  const dots = Array.from({ length: drawn ? 0 : most }, (_, i) => element('i', { className: i < players ? 'in' : '' }));
  node.replaceChildren(drawn, ...dots);
  node.setAttribute('aria-label', `${players} of ${most} players`);
}

let nowMs = 0;
const drawSessions = keyed(
  byId('sessions'),
  ({ id }) => id,
  ({ id }) => {
    const path = `/sessions/${encodeURIComponent(id)}`;
    const stop = button('stop', `Stop session ${id}`, () => act('POST', `${path}/stop`));
    const kill = button('kill', `Crash session ${id} (kill -9)`, () => act('POST', `${path}/kill`));
    const seats = element('span', { className: 'seats', role: 'img' });
    const { node, update } = row(
      [undefined, undefined, undefined, undefined, undefined, undefined, seats, undefined, [stop, kill]],
      ({ status, region, image, tag, mode, warm, host, ports, requestedAtMs }) => [
        { text: status, className: `pill ${SESSION_LOOK[status] ?? 'bad'}` },
        { text: id, className: 'id', title: id },
        region,
        `${image}:${tag}${warm ? ' (warm)' : ''}`,
        mode,
        {
          text: ports.length > 0 ? `${host}:${ports[0].host}` : '–',
          title: ports.map(({ container, type, host: port }) => `${container}/${type} → ${port}`).join('\n'),
        },
        undefined,
        { text: duration(nowMs - requestedAtMs), className: 'number' },
      ],
    );
    return {
      node,
      update: (session) => {
        const { players, playerIds, expected, status } = session;
        update(session);
        drawSeats(seats, players, expected);
        seats.title = playerIds.join('\n') || 'nobody is in it';
        stop.disabled = status === 'shuttingdown';
      },
    };
  },
);

const drawRequests = keyed(
  byId('requests'),
  ({ ordinal }) => ordinal,
  () =>
    row(Array(7).fill(), ({ ordinal, operation, method, path, region, status, tookMs, fault }) => [
      { text: ordinal, className: 'number dim' },
      operation,
      { text: `${method} ${path}`, className: 'path', title: path },
      region ?? '',
      { text: status, className: `pill ${statusLook(status)}` },
      { text: tookMs === undefined ? '…' : duration(tookMs), className: 'number' },
      { text: fault ?? '', className: 'fault' },
    ]),
);

function statusLook(status) {
  if (status === 'pending') return 'dim';
  return status === 'dropped' || status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'good';
}

const drawFaults = keyed(
  byId('faults'),
  ({ id }) => id,
  (rule) => {
    const { id } = rule;
    const { what, where } = inWords(rule);
    const hits = element('span', { className: 'dim' });
    const remove = button('remove', `Remove ${id}`, () => act('DELETE', `/faults/${encodeURIComponent(id)}`));
    const text = element('div', {
      children: [element('strong', { children: [what] }), element('span', { children: [where] }), hits],
    });
    const node = element('li', { children: [text, remove] });
    return { node, update: ({ hit, seen }) => show(hits, `${id}: hit ${hit} of ${seen}`) };
  },
);

/** How many, and by what: `3 (2 exit, 1 ttl)`. */
function endings(ended) {
  const ways = Object.entries(ended).filter(([, count]) => count > 0);
  const all = ways.reduce((sum, [, count]) => sum + count, 0);
  return ways.length === 0 ? '0' : `${all} (${ways.map(([how, count]) => `${count} ${how}`).join(', ')})`;
}

function draw(state) {
  const { ledger, requests, faults, sessions, pools } = state;
  nowMs = state.atMs;
  const players = sessions.reduce((sum, session) => sum + session.players, 0);
  drawTiles([
    ['sessions live', `${ledger.live}`, 'accent'],
    ['players in them', `${players}`],
    ['sessions ever', `${ledger.total}`],
    ['sessions ended', endings(ledger.ended)],
    ['requests', `${requests.total}`],
    ['faults on', `${faults.length}`, faults.length > 0 ? 'bad' : ''],
  ]);
  const warm = (name) => pools.filter(({ region, size }) => region === name && size > 0);
  const inPools = (name) => warm(name).map(({ image, ready, size }) => `${image}: ${ready} of ${size} warm`);
  drawRegions(state.regions.map((region) => ({ ...region, pools: inPools(region.name).join(', ') })));
  drawSessions(sessions);
  drawFaults(faults);
  const wanted = byId('search').value.trim().toLowerCase();
  const shown = requests.latest.filter((one) => JSON.stringify(Object.values(one)).toLowerCase().includes(wanted));
  drawRequests(shown);
  tellForm(state);
  for (const field of document.querySelectorAll('[data-setting]')) {
    setField(field, state.settings[field.dataset.setting] ?? '');
  }
  byId('no-sessions').hidden = sessions.length > 0;
  byId('no-faults').hidden = faults.length > 0;
  byId('clear').hidden = faults.length === 0;
  byId('no-requests').hidden = shown.length > 0;
}

let latest;
async function refresh() {
  try {
    latest = await ask('GET', '/state');
    draw(latest);
    show(byId('connection'), 'live', { className: 'live' });
  } catch (error) {
    // A failed fetch is a TypeError: the simulator is gone, and what is shown is the past.
    const isGone = error instanceof TypeError && latest !== undefined;
    show(byId('connection'), isGone ? 'no answer, shown as it was' : error.message, { className: 'gone' });
  }
}

const tellForm = faultForm((rule) => act('POST', '/faults', rule));
byId('clear').addEventListener('click', () => act('DELETE', '/faults'));
byId('search').addEventListener('input', () => latest && draw(latest));
for (const field of document.querySelectorAll('[data-setting]')) {
  field.addEventListener('change', () =>
    configure({ [field.dataset.setting]: field.value === '' ? null : Number(field.value) }),
  );
}
for (;;) {
  if (!document.hidden) await refresh();
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
