/** What is known of the runs: fetched once, kept while it is the newest. */

import { paler } from './draw.js';
import { unpack } from './packed.js';

/** Blobs of maps that are kept; the oldest go first. */
const KEPT = 96;

export class Store {
  constructor(source) {
    this.source = source;
    this.cache = new Map();
    this.failed = [];
    this.problems = [];
  }

  /** Reads the index anew; `problems` are what is wrong, in words. */
  async load() {
    [this.index, this.lines] = await Promise.all([this.source.index(), this.source.scalars()]);
    this.problems = [...this.index.problems];
    this.failed.splice(0).forEach((key) => this.cache.delete(key)); // may be whole by now
    return this;
  }

  get runs() {
    return Object.keys(this.index.runs).sort();
  }

  /** Names of the methods that have maps in any of the runs. */
  methods(runs = this.runs) {
    const named = runs.flatMap((run) => Object.entries(this.index.runs[run]?.methods ?? {}));
    return [...new Set(named.filter(([, each]) => each.maps.length).map(([name]) => name))].sort();
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
    return entry ? this.#once(['inputs', ...entry], `examples of ${run}`, () => this.#inputs(...entry)) : null;
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
    return this.#once(['maps', time, key], `${method} of ${run} at epoch ${at}`, async () => {
      const { arrays } = await unpack(await this.source.blob(key, time));
      return { step: at, leaves: arrays };
    });
  }

  /** All numbers of a method: a `Series`; null where there is none. */
  async series(run, method) {
    const entry = this.index.runs[run]?.methods[method];
    if (!entry || !entry.columns.length) return null;
    return this.#once(['series', run, method, entry.time], `numbers of ${method} of ${run}`, async () => {
      const { header, arrays } = await unpack(await this.source.series(run, method, entry.time));
      return new Series(header, Object.fromEntries(arrays.map((array) => [array.name, array])));
    });
  }

  /** Makes a thing once; null, and a problem, where it cannot be made. `name` says what it is. */
  #once(parts, name, make) {
    const key = JSON.stringify(parts);
    const known = this.cache.get(key) ?? make().catch((error) => this.#fail(key, name, error));
    this.cache.delete(key);
    this.cache.set(key, known); // the newest stand last
    if (this.cache.size > KEPT) this.cache.delete(this.cache.keys().next().value);
    return known;
  }

  #fail(key, name, error) {
    this.failed.push(key);
    this.problems.push(`The ${name} cannot be read: ${error.message}`);
    return null;
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
    if (place < 0) return {};
    const [, n, count, size] = this.points.shape;
    const start = (curve) => ((place * n + row) * count + curve) * size;
    const of = (curve) => Array.from(this.points.data.subarray(start(curve), start(curve) + size));
    return Object.fromEntries(this.names.map((name, curve) => [name, of(curve)]));
  }
}
