/** Examples in rows; their maps in columns: of the runs, of epochs, or of the methods. */

import { caption, load, mapCanvas } from '../cells.js';
import { el, notice } from '../dom.js';
import { film, pick } from '../parts.js';
import { chosen, facts, metrics, named } from '../rows.js';
import { drawMap, inputOf, pictured } from '../thumbs.js';

const AROUND = 200; // pixels beside the visible ones that are painted as well
const [CELL, SMALLEST] = [128, 72]; // pixels
const [NAME, GAP] = [110, 12]; // pixels of what stands before an example, and around a cell

/** The table that is in the page: while its examples and columns stay, only maps and captions are made anew. */
let table = null;

export async function draw({ state, store }) {
  const columns = (await Promise.all(columnsOf(state, store).map((column) => load(column, state, store))))
    .filter(({ inputs }) => inputs);
  if (!columns.length) return notice('The examples of the chosen runs cannot be read. Choose another run above.');
  const basis = { ...columns[0], method: state.methodOf(store), step: state.stepOf(store) };
  const series = await store.series(basis.run, basis.method);
  const all = facts(basis.inputs, series, basis.step);
  const shown = chosen(all, metrics(series)[0], state);
  const room = document.querySelector('main').clientWidth - 24;
  const told = `${shown.length} of ${all.length} examples${about(state, store, basis)}`;
  const rows = shown.map(({ row }) => row);
  const key = JSON.stringify([room, told, rows, columns.map(({ run, title, base }) => [run, title, base.kind])]);
  const same = table?.key === key && table.inputs === basis.inputs && table.element.isConnected;
  const target = same ? table : new Table(key, { columns, shown, room, told, state });
  target.next = () => (table = target).update(columns, state);
  return target.element;
}

/** `[{run, method, step, title, sets}]`; `sets` is what the state gets with a click. */
function columnsOf(state, store) {
  const [runs, method, step] = [state.runsOf(store), state.methodOf(store), state.stepOf(store)];
  const title = (run) => store.index.runs[run].title;
  if (state.across === 'steps') {
    const steps = film(store.steps([runs[0]], method));
    return steps.map((at) => ({ run: runs[0], method, step: at, title: `epoch ${at}`, sets: { step: String(at) } }));
  }
  if (state.across === 'methods') {
    const methods = store.methods([runs[0]]);
    return methods.map((name) => ({ run: runs[0], method: name, step, title: name, sets: { method: name } }));
  }
  return runs.map((run, i) => ({ run, method, step, title: title(run), sets: i ? { other: `run:${run}` } : {} }));
}

/** Which run is shown, or decides on what is shown, where there are several. */
function about(state, store, { run }) {
  if (store.runs.length < 2) return '';
  const { title } = store.index.runs[run];
  if (state.across !== 'runs') return `, run ${title}`;
  return state.sort === 'order' && state.filter === 'all' ? '' : `, by what holds in ${title}`;
}

class Table {
  constructor(key, { columns, shown, room, told, state }) {
    Object.assign(this, { key, inputs: columns[0].inputs, near: new Set(), stale: new Map() });
    const options = [['runs', 'runs'], ['steps', 'epochs'], ['methods', 'methods']];
    const bar = el('div', { className: 'toolbar' }, pick(state, 'Columns', 'across', options),
      el('span', { className: 'faint', textContent: told }));
    const cell = (row) => (_, place) => ({ row, place, button: this.button(row, place, state) });
    this.cells = shown.flatMap(({ row }) => columns.map(cell(row)));
    const none = shown.length ? null : notice('No example passes the filter. Choose "all" under "Show".');
    this.element = el('div', {}, bar, none ?? this.table(columns, shown, room));
    this.element.addEventListener('shown', () => this.next());
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
    const heads = () => [head('Example', 'first'), head('Input'), ...columns.map(({ title }) => head(title))];
    const beside = (i) => shown.slice(i * groups, (i + 1) * groups).flatMap((fact) => this.example(fact, columns[0]));
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
    const none = el('span', { className: 'caption', textContent: 'no map' });
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
