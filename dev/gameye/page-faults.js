// The form that adds a fault, and the buttons for common ones.
import { button, byId, element, show } from './page-view.js';

/** What can go wrong: its name, the action, and what the amount is, if there is one. */
const KINDS = {
  status: {
    name: 'answers with status',
    amount: 'status',
    usual: 503,
    action: (status) => ({ kind: 'status', status }),
  },
  delay: { name: 'is late', amount: 'ms', usual: 2000, action: (ms) => ({ kind: 'delay', ms }) },
  'drop-before': { name: 'is lost on its way', action: () => ({ kind: 'drop', when: 'before' }) },
  'drop-after': { name: 'is done, its answer is lost', action: () => ({ kind: 'drop', when: 'after' }) },
  truncate: { name: 'has an answer that breaks off', action: () => ({ kind: 'truncate' }) },
  html: { name: 'is answered with an HTML page', action: () => ({ kind: 'html' }) },
  'slow-start': { name: 'starts slower', amount: 'ms', usual: 10000, action: (ms) => ({ kind: 'slow-start', ms }) },
  'stale-list': {
    name: 'lists the past',
    amount: 'ms ago',
    usual: 60000,
    action: (ageMs) => ({ kind: 'stale-list', ageMs }),
  },
  redirect: { name: 'is redirected', amount: 'status', usual: 301, action: (status) => ({ kind: 'redirect', status }) },
  echo: {
    name: 'is refused, and quoted',
    amount: 'status',
    usual: 422,
    action: (status) => ({ kind: 'echo', status }),
  },
};

const WHEN = {
  always: { on: () => 'always' },
  times: { amount: 'how many', on: (times) => ({ times }) },
  ordinals: { amount: 'which one', on: (n) => ({ ordinals: [n] }) },
  rate: { amount: 'percent', on: (percent) => ({ rate: percent / 100 }) },
};

const run = { operation: 'session-run' };
const list = { operation: 'session-list' };
const PRESETS = [
  ['one start: answer lost', { ...run, on: { times: 1 }, action: { kind: 'drop', when: 'after' } }],
  ['half of the starts: 503', { ...run, on: { rate: 0.5 }, action: { kind: 'status', status: 503 } }],
  ['half of the starts: lost', { ...run, on: { rate: 0.5 }, action: { kind: 'drop', when: 'before' } }],
  ['every region full', { ...run, on: 'always', action: { kind: 'status', status: 420 } }],
  ['lists are empty', { ...list, on: 'always', action: { kind: 'body', body: { sessions: [] } } }],
  ['lists break off', { ...list, on: 'always', action: { kind: 'truncate' } }],
  ['stops fail', { operation: 'session-stop', on: 'always', action: { kind: 'status', status: 500 } }],
  ['starts redirected', { ...run, on: 'always', action: { kind: 'redirect', status: 301 } }],
  ['hosts that are none', { on: 'always', action: { kind: 'alter', fields: { host: 'no host' } } }],
  ['token refused', { on: 'always', action: { kind: 'status', status: 401 } }],
  ['a proxy in front is down', { on: 'always', action: { kind: 'status', status: 502, html: true } }],
  ['everything 2 s late', { on: 'always', action: { kind: 'delay', ms: 2000 } }],
];

const ACTIONS = {
  status: ({ status, html }) => `status ${status}${html ? ' as an HTML page' : ''}`,
  delay: ({ ms }) => `${ms} ms late`,
  drop: ({ when }) => (when === 'before' ? 'lost on its way' : 'done, but the answer is lost'),
  truncate: () => 'the answer breaks off',
  html: () => 'an HTML page as answer',
  'slow-start': ({ ms }) => `the start takes ${ms} ms longer`,
  'stale-list': ({ ageMs }) => `the list of ${ageMs} ms ago`,
  body: ({ body, status }) => `${status ?? ''} ${JSON.stringify(body)}`,
  alter: ({ fields }) => `answers with ${JSON.stringify(fields)}`,
  echo: ({ status }) => `status ${status ?? 422}, quoting the request`,
  redirect: ({ status, to }) => `redirect ${status ?? 301}${to ? ` to ${to}` : ''}`,
};

const TIMES = {
  ordinals: (numbers) => `request ${numbers.join(', ')} only`,
  times: (count) => `the first ${count}`,
  rate: (rate) => `${rate * 100}%`,
};

/** A rule in words: what happens, and to which requests. */
export function inWords({ operation, region, on, action }) {
  const where = `${operation ?? 'every operation'}${region ? ` in ${region}` : ''}`;
  const [how] = on === 'always' ? [] : Object.keys(on).filter((key) => key in TIMES);
  return { what: ACTIONS[action.kind](action), where: `${where}, ${how ? TIMES[how](on[how]) : 'always'}` };
}

function options(select, pairs) {
  const value = select.value;
  select.replaceChildren(...pairs.map(([key, text]) => element('option', { value: key, children: [text] })));
  if (pairs.some(([key]) => key === value)) select.value = value;
}

/** Makes the form work; `add(rule)` sends a rule. Answers a function that tells it the operations and regions there are. */
export function faultForm(add) {
  const form = byId('add');
  const { kind, amount, operation, region, when, count } = form.elements;
  const label = (field, id, text) => {
    byId(id).hidden = text === undefined;
    field.disabled = text === undefined;
    show(byId(id).firstElementChild, text ?? '');
  };
  const chooseKind = () => {
    label(amount, 'amount-label', KINDS[kind.value].amount);
    amount.value = KINDS[kind.value].usual ?? '';
  };
  const chooseWhen = () => label(count, 'count-label', WHEN[when.value].amount);
  options(
    kind,
    Object.entries(KINDS).map(([key, { name }]) => [key, name]),
  );
  chooseKind();
  chooseWhen();
  kind.addEventListener('change', chooseKind);
  when.addEventListener('change', chooseWhen);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    add({
      ...(operation.value ? { operation: operation.value } : {}),
      ...(region.value ? { region: region.value } : {}),
      on: WHEN[when.value].on(Number(count.value)),
      action: KINDS[kind.value].action(Number(amount.value)),
    });
  });
  byId('presets').append(...PRESETS.map(([text, rule]) => button(text, `Add the fault: ${text}`, () => add(rule))));

  let known = '';
  return ({ operations, regions }) => {
    const now = JSON.stringify([operations, regions.map(({ name }) => name)]);
    if (now === known) return;
    known = now;
    options(operation, [['', 'every operation'], ...operations.map((name) => [name, name])]);
    options(region, [['', 'every region'], ...regions.map(({ name }) => [name, name])]);
  };
}
