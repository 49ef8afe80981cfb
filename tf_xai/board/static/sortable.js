/** Tables that are sorted by a press on the head of a column. */

import { el, number } from './dom.js';

/** What each table is sorted by, `{id: [column, 1 or -1]}`: it outlives a drawing. */
const orders = new Map();

/**
 * A table.
 *
 * @param id Its name, for tests and for the order that it keeps.
 * @param caption What stands above it.
 * @param columns `[{name, value: row => number or string, cell: row => element or string}]`; without `cell` the value
 *   is shown.
 * @param rows Objects; `current: true` marks the ones that are chosen.
 */
export function table(id, caption, columns, rows) {
  const body = el('tbody');
  const button = (name, at) => el('button', { type: 'button', className: 'plain', textContent: name,
    'data-key': `${id}-${at}`, onclick: () => sort(at) });
  const heads = columns.map(({ name }, at) => el('th', { scope: 'col' }, button(name, at)));
  const sort = (at) => {
    const [before, way] = orders.get(id) ?? [];
    orders.set(id, [at, before === at ? -way : 1]);
    fill();
  };
  const fill = () => {
    const [at, way] = orders.get(id) ?? [-1, 1];
    heads.forEach((head, place) => head.setAttribute('aria-sort', order(place === at, way)));
    const sorted = at < 0 ? rows : [...rows].sort((a, b) => way * compare(columns[at].value(a), columns[at].value(b)));
    body.replaceChildren(...sorted.map((row) => line(columns, row)));
  };
  fill();
  return el('div', { className: 'scroll', tabIndex: 0, role: 'region', 'aria-label': caption,
    style: 'overflow:auto;max-height:24em' },
    el('table', { 'data-testid': id },
      el('caption', { textContent: caption }), el('thead', {}, el('tr', {}, ...heads)), body));
}

const order = (here, way) => (here ? (way > 0 ? 'ascending' : 'descending') : 'none');

function line(columns, row) {
  const cells = columns.map(({ value, cell }) => el('td', {}, cell ? cell(row) : shown(value(row))));
  return el('tr', row.current ? { 'aria-current': 'true' } : {}, ...cells);
}

const shown = (value) => (typeof value === 'number' ? number(value) : String(value ?? '–'));

/** Numbers by size and words by the alphabet; what there is not stands last. */
function compare(a, b) {
  if (typeof a === 'string') return a.localeCompare(b);
  const [known, other] = [Number.isFinite(a), Number.isFinite(b)];
  return known && other ? a - b : Number(other) - Number(known);
}
