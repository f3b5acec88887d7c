// What the page is drawn with. Text only ever enters it as text, because ids and paths come from whoever calls the API.

export const byId = (id) => document.getElementById(id);

/** An element with a class, attributes and children: texts or nodes. */
export function element(tag, { className, children = [], ...attributes } = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function button(text, label, action) {
  const node = element('button', { type: 'button', children: [text], 'aria-label': label, title: label });
  node.addEventListener('click', action);
  return node;
}

/** Changes a node only where it differs: selected text and the focus stay. */
export function show(node, text, { className, title } = {}) {
  if (node.textContent !== text) node.textContent = text;
  if (className !== undefined && node.className !== className) node.className = className;
  if (title !== undefined && node.title !== title) node.title = title;
}

/** Sets a field, unless somebody is just changing it. */
export function setField(field, value) {
  if (field !== document.activeElement && field.value !== String(value)) field.value = String(value);
}

/**
 * A list that keeps a node for each key: `make(item)` answers {node, update(item)}. Called with the items in their order.
 */
export function keyed(container, keyOf, make) {
  const views = new Map();
  return (items) => {
    const nodes = new Set();
    items.forEach((item, position) => {
      const key = keyOf(item);
      const view = views.get(key) ?? make(item);
      views.set(key, view);
      view.update(item);
      nodes.add(view.node);
      if (container.children[position] !== view.node) {
        container.insertBefore(view.node, container.children[position] ?? null);
      }
    });
    for (const [key, view] of views) {
      if (nodes.has(view.node)) continue;
      view.node.remove();
      views.delete(key);
    }
  };
}

/**
 * A table row for `keyed`. `columns`: what a cell always holds, one or more nodes, or nothing; `cells(item)` answers a
 * text, or {text, className, title}, for each of the others.
 */
export function row(columns, cells) {
  const tds = columns.map((nodes) => element('td', { children: [nodes ?? []].flat() }));
  const update = (item) => {
    cells(item).forEach((cell, i) => {
      if (cell === undefined) return;
      const { text, ...look } = typeof cell === 'object' ? cell : { text: cell };
      show(tds[i], String(text), look);
    });
  };
  return { node: element('tr', { children: tds }), update };
}

export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
