/** Examples in rows; their maps in columns: of the runs, of epochs, or of the methods. */

import { alike, basisOf, caption, load, mapCanvas } from '../cells.js';
import { el, notice } from '../dom.js';
import { film, pick } from '../parts.js';
import { chosen, named } from '../rows.js';
import { drawMap, inputOf, pictured } from '../thumbs.js';

const AROUND = 200; // pixels beside the visible ones that are painted as well
const [CELL, SMALLEST] = [128, 72]; // pixels
const [NAME, GAP] = [110, 12]; // pixels of what stands before an example, and around a cell

/** The table that is in the page: while its examples and columns stay, only maps and captions are made anew. */
let table = null;

export async function draw({ state, store }) {
  const loaded = (await Promise.all(columnsOf(state, store).map((column) => load(column, state, store))))
    .filter(({ inputs }) => inputs);
  if (!loaded.length) return notice('The examples of the chosen runs cannot be read. Choose another run above.');
  const basis = basisOf(loaded, state, store);
  const columns = loaded.map((column) => ({ ...column, foreign: !alike(basis.inputs, column.inputs) }));
  const all = basis.known;
  const shown = chosen([...all], basis.names[0], state);
  const room = document.querySelector('main').clientWidth - 24;
  const told = `${shown.length} of ${all.length} examples${about(state, store, basis)}`;
  const rows = shown.map(({ row }) => row);
  const head = ({ run, title, base, foreign, current }) => [run, title, base.kind, foreign, current];
  const key = JSON.stringify([room, told, rows, columns.map(head)]);
  const same = table?.key === key && table.inputs === basis.inputs && table.element.isConnected;
  const target = same ? table : new Table(key, { columns, basis, shown, room, told, state });
  target.next = () => (table = target).update(columns, state);
  return target.element;
}

/** `[{run, method, step, title, sets}]`; `sets` is what the state gets with a click. */
function columnsOf(state, store) {
  const [runs, method, step] = [state.runsOf(store), state.methodOf(store), state.stepOf(store)];
  const title = (run) => store.index.runs[run].title;
  const first = (has) => runs.find(has) ?? runs[0];
  if (state.across === 'steps') {
    const run = first((each) => store.steps([each], method).length);
    const sets = (at) => ({ step: state.stepText(store, at) });
    return strip(store.steps([run], method), step)
      .map((at) => ({ run, method, step: at, title: `epoch ${at}`, sets: sets(at), current: at === step }));
  }
  if (state.across === 'methods') {
    const run = first((each) => store.methods([each]).length);
    return store.methods([run])
      .map((name) => ({ run, method: name, step, title: name, sets: { method: name }, current: name === method }));
  }
  return runs.map((run, i) => ({ run, method, step, title: title(run), sets: i ? { other: `run:${run}` } : {} }));
}

/** Some of the steps, and the chosen one. */
function strip(steps, step) {
  const some = film(steps);
  return steps.filter((at) => at === step || some.includes(at));
}

/** Which run is shown, or decides on what is shown, where there are several. */
function about(state, store, { run }) {
  if (store.runs.length < 2) return '';
  const { title } = store.index.runs[run];
  if (state.across !== 'runs') return `, run ${title}`;
  return state.sort === 'order' && state.filter === 'all' ? '' : `, by what holds in ${title}`;
}

class Table {
  constructor(key, { columns, basis, shown, room, told, state }) {
    Object.assign(this, { key, basis, inputs: basis.inputs, near: new Set(), stale: new Map() });
    const options = [['runs', 'runs'], ['steps', 'epochs'], ['methods', 'methods']];
    const bar = el('div', { className: 'toolbar' }, pick(state, 'Columns', 'across', options),
      el('span', { className: 'faint', textContent: told }));
    const cell = (row) => (_, place) => ({ row, place, button: this.button(row, place, state) });
    this.cells = shown.flatMap(({ row }) => columns.map(cell(row)));
    const none = shown.length ? null : notice('No example passes the filter. Choose "all" under "Show".');
    this.element = el('div', {}, bar, none ?? this.table(columns, shown, room));
    this.element.addEventListener('shown', () => this.next());
    this.element.addEventListener('gone', () => this.leave());
  }

  /** An observer keeps what it observes. */
  leave() {
    this.watcher?.disconnect();
    if (table === this) table = null;
  }

  button(row, place, state) {
    const open = () => state.set({ view: 'detail', example: row, ...this.columns[place].sets });
    return el('button', { className: 'cell', onclick: open, 'data-key': `cell-${row}-${place}` });
  }

  /** In a row as many examples as there is room for; cells get smaller where not even one has it. */
  table(columns, shown, room) {
    const count = columns.length + 1;
    const size = Math.max(SMALLEST, Math.min(CELL, Math.floor((room - NAME) / count) - GAP));
    const groups = Math.min(shown.length, Math.max(1, Math.floor(room / (NAME + count * (CELL + GAP)))));
    const head = (text, className = '') => el('th', { scope: 'col', textContent: text, className });
    const heads = () => [head('Example', 'first'), head('Input'), ...columns.map(headOf)];
    const beside = (i) => shown.slice(i * groups, (i + 1) * groups).flatMap((fact) => this.example(fact, this.basis));
    const rows = Array.from({ length: Math.ceil(shown.length / groups) }, (_, i) => el('tr', {}, ...beside(i)));
    const top = el('thead', {}, el('tr', {}, ...Array.from({ length: groups }, heads).flat()));
    const element = el('table', { className: 'gallery' }, top, el('tbody', {}, ...rows));
    element.style.setProperty('--cell', `${size}px`);
    return element;
  }

  /** Name, input, and the buttons of the columns. */
  example({ row, label }, { inputs, base }) {
    const name = el('th', { scope: 'row' }, `#${row}`, el('br'), named(label, inputs.classes));
    const input = el('span', { className: pictured(base) ? 'cell' : 'cell low' }, inputOf(base, row));
    const own = this.cells.filter((cell) => cell.row === row);
    return [name, ...[input, ...own.map(({ button }) => button)].map((each) => el('td', {}, each))];
  }

  /** Takes new columns: paints what is in view, and the rest when it comes near. */
  update(columns, state) {
    this.columns = columns;
    this.cells.forEach((cell) => this.fill(cell, columns[cell.place], state));
    this.watcher ??= this.watch();
    this.near.forEach((button) => this.paint(button));
  }

  fill({ row, button }, column, state) {
    const { map, base, known, worth } = column;
    const drawn = map && known[row] && row < worth.length;
    const old = button.firstChild;
    const canvas = drawn ? mapCanvas(column, row, old?.matches('canvas') ? old : undefined) : null;
    const none = el('span', { className: 'caption', textContent: column.absent ?? 'no such example' });
    button.replaceChildren(...(drawn ? [canvas, caption(row, column)] : [none]));
    button.disabled = !drawn;
    button.classList.toggle('low', Boolean(drawn) && !pictured(map));
    this.stale.set(button, () => drawn && drawMap(canvas, base, map, row, worth[row], state));
  }

  paint(button) {
    this.stale.get(button)?.();
    this.stale.delete(button);
  }

  /** Keeps `near`, the buttons that are in view or close to it. */
  watch() {
    const main = this.element.parentElement;
    const { bottom } = main.getBoundingClientRect();
    const boxes = this.cells.map(({ button }) => button.getBoundingClientRect());
    const seen = this.cells.filter((_, i) => boxes[i].top < bottom && boxes[i].bottom > 0);
    seen.forEach(({ button }) => this.near.add(button));
    const note = ({ target, isIntersecting }) => {
      this.near[isIntersecting ? 'add' : 'delete'](target);
      if (isIntersecting) this.paint(target);
    };
    const options = { root: main, rootMargin: `${AROUND}px` };
    const watcher = new IntersectionObserver((entries) => entries.forEach(note), options);
    this.cells.forEach(({ button }) => watcher.observe(button));
    return watcher;
  }
}

/** The head of a column: the chosen epoch or method is marked, and where examples are other ones. */
function headOf({ title, current, foreign }) {
  const head = el('th', { scope: 'col' }, title);
  if (current) head.setAttribute('aria-current', 'true');
  if (foreign) head.append(el('span', { className: 'faint foreign', textContent: 'other examples' }));
  return head;
}
