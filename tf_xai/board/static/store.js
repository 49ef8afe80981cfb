/** What is known of the runs: fetched once, kept while it is the newest. */

import { paler } from './draw.js';
import { metricsOf } from './metrics.js';
import { unpack } from './packed.js';

/** Bytes of maps that are kept; those that were not asked for longest go first. */
const BYTES = 128e6;

export class Store {
  constructor(source) {
    Object.assign(this, { source, asked: 0, taken: 0, bytes: 0, problems: [] });
    this.kept = new Map(); // of inputs and numbers the newest, by what they are
    this.drawn = new Map(); // maps by their blob; the newest stand last
  }

  /** Reads the index anew, unless a later call has; `problems` are what is wrong, in words. */
  async load() {
    const number = ++this.asked;
    try {
      const answers = await Promise.all([this.source.index(), this.source.scalars()]);
      if (number > this.taken) this.#take(number, answers);
    } catch (error) {
      if (number > this.taken) throw error;
    }
    return this;
  }

  /** What could not be read may be whole by now; what belongs to runs that are gone goes too. */
  #take(number, [index, lines]) {
    Object.assign(this, { index, lines, taken: number, problems: [...index.problems] });
    for (const all of [this.kept, this.drawn]) {
      for (const [key, { run, failed }] of all) if (failed || !Object.hasOwn(index.runs, run)) this.#drop(all, key);
    }
  }

  get runs() {
    return Object.keys(this.index.runs).sort();
  }

  /** Names of the methods that have maps in any of the runs, as first written; those with metrics stand first. */
  methods(runs = this.runs) {
    const all = runs.flatMap((run) => Object.entries(this.index.runs[run]?.methods ?? {}));
    const drawn = all.filter(([, { maps }]) => maps.length);
    const measured = drawn.filter(([, each]) => metricsOf(each).length);
    return [...new Set([...measured, ...drawn].map(([name]) => name))];
  }

  /** Names of the numbers of the methods, without those that serve the drawing. */
  columns(runs = this.runs) {
    const methods = runs.flatMap((run) => Object.values(this.index.runs[run]?.methods ?? {}));
    const all = methods.flatMap((each) => each.columns);
    return [...new Set(all)].filter((name) => !/^(scale|clip)(\/|$)/.test(name));
  }

  /** Every step that any of the runs has for a method. */
  steps(runs, method) {
    const all = runs.flatMap((run) => (this.index.runs[run]?.methods[method]?.maps ?? []).map(([step]) => step));
    return [...new Set(all)].sort((a, b) => a - b);
  }

  /** The lines of the log, `{tag: [[step, value or null], ...]}`. */
  scalars(run) {
    return this.lines[run] ?? {};
  }

  /** The examples: `{n, labels, classes, leaves}`; a leaf has `name`, `kind`, `data`, and images `grey` ones. */
  async inputs(run) {
    const entry = this.index.runs[run]?.inputs;
    if (!entry) return null;
    return this.#newest(run, 'inputs', String(entry), `examples of ${run}`, () => this.#inputs(...entry));
  }

  async #inputs(time, key) {
    const { header, arrays } = await unpack(await this.source.blob(key, time));
    const grey = (leaf) => (leaf.kind === 'image' ? { ...leaf, grey: lazily(leaf.data, paler) } : leaf);
    const { n, labels, classes, digest } = header;
    return { n, labels, classes, digest, leaves: arrays.map(grey) };
  }

  /** The maps of a step, or of the last one before it: `{step, leaves}`; null where there is none. */
  async maps(run, method, step) {
    const entry = (this.index.runs[run]?.methods[method]?.maps ?? []).filter(([at]) => at <= step).pop();
    if (!entry) return null;
    const [at, time, key] = entry;
    return this.#once(run, `${time} ${key}`, `${method} of ${run} at epoch ${at}`, async () => {
      const { arrays } = await unpack(await this.source.blob(key, time));
      return { step: at, leaves: arrays };
    });
  }

  /** All numbers of a method: a `Series`; null where there is none. */
  async series(run, method) {
    const entry = this.index.runs[run]?.methods[method];
    if (!entry || !entry.columns.length) return null;
    return this.#newest(run, `series ${method}`, entry.time, `numbers of ${method} of ${run}`, async () => {
      const { header, arrays } = await unpack(await this.source.series(run, method, entry.time));
      return new Series(header, Object.fromEntries(arrays.map((array) => [array.name, array])));
    });
  }

  /** Makes a thing of a run anew when its time is another one. */
  #newest(run, kind, time, name, make) {
    const key = JSON.stringify([run, kind]);
    if (this.kept.get(key)?.time !== time) this.kept.set(key, this.#made(run, name, make, time));
    return this.kept.get(key).value;
  }

  /** Makes maps once, and keeps them as long as there is room. */
  #once(run, key, name, make) {
    const entry = this.drawn.get(key) ?? this.#made(run, name, make);
    this.drawn.delete(key);
    this.drawn.set(key, entry);
    entry.counted ??= entry.value.then((maps) => this.#count(key, entry, maps));
    return entry.value;
  }

  #count(key, entry, maps) {
    if (this.drawn.get(key) !== entry) return;
    entry.bytes = (maps?.leaves ?? []).reduce((sum, { data }) => sum + (data.byteLength ?? 0), 0);
    this.bytes += entry.bytes;
    const oldest = [...this.drawn.keys()].filter((each) => each !== key);
    while (this.bytes > BYTES && oldest.length) this.#drop(this.drawn, oldest.shift());
  }

  #drop(all, key) {
    this.bytes -= all.get(key).bytes;
    all.delete(key);
  }

  /** `value` is a promise of a thing; of null, and a problem, where it cannot be made. `name` says what it is. */
  #made(run, name, make, time) {
    const entry = { run, time, bytes: 0, failed: false };
    entry.value = make().catch((error) => {
      entry.failed = true;
      this.problems.push(`The ${name} cannot be read: ${error.message}`);
      return null;
    });
    return entry;
  }
}

/** A list whose entries are made when they are first asked for. */
function lazily(items, make) {
  const list = [];
  const get = (i) => () => {
    Object.defineProperty(list, i, { value: make(items[i]) });
    return list[i];
  };
  items.forEach((_, i) => Object.defineProperty(list, i, { get: get(i), configurable: true }));
  return list;
}

/** The numbers of a method's examples at all steps. */
class Series {
  constructor({ steps, columns, shares = [], curves = [] }, arrays) {
    Object.assign(this, { steps, columns, shares, names: curves, numbers: arrays.numbers, points: arrays.curves });
    [, this.n] = this.numbers.shape;
    this.most = new Map();
  }

  /** The place of a step, or of the last one before it; -1 where there is none. */
  place(step) {
    return this.steps.filter((at) => at <= step).length - 1;
  }

  /** The values of all examples, null where there are none. */
  column(name, step) {
    const [place, column] = [this.place(step), this.columns.indexOf(name)];
    if (place < 0 || column < 0) return null;
    const { data } = this.numbers;
    return Array.from({ length: this.n }, (_, row) => data[(place * this.n + row) * this.columns.length + column]);
  }

  /** The values of one example at all steps. */
  course(name, row) {
    return this.steps.map((step) => [step, this.column(name, step)?.[row]]);
  }

  /** The largest of a column over all steps, for one example or, without `row`, for all. */
  largest(name, row = null) {
    if (!this.most.has(name)) this.most.set(name, this.#mostOf(name));
    return row === null ? this.most.get(name).reduce((a, b) => Math.max(a, b), 0) : this.most.get(name)[row];
  }

  /** The largest of a column of every example; 0 where there is none. */
  #mostOf(name) {
    const all = this.steps.map((step) => this.column(name, step) ?? []);
    const most = (row) => all.reduce((largest, column) => (column[row] > largest ? column[row] : largest), 0);
    return Array.from({ length: this.n }, (_, row) => most(row));
  }

  /** `{name: [score, ...]}` of an example, one for each of `shares`. */
  curves(step, row) {
    const place = this.steps.length && this.points ? this.place(step) : -1;
    if (place < 0 || row >= this.n) return {};
    const [, n, count, size] = this.points.shape;
    const start = (curve) => ((place * n + row) * count + curve) * size;
    const of = (curve) => Array.from(this.points.data.subarray(start(curve), start(curve) + size));
    return Object.fromEntries(this.names.map((name, curve) => [name, of(curve)]));
  }
}
