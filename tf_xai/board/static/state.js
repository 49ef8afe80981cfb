/** What the bar has chosen: one object for all views, kept in the address. */

import { MAPS } from './colours.js';
import { decoded, readAddress, writeAddress } from './host.js';

/** What the address leaves out. Lists are joined by commas; "" is the first `method` or `input`, or the last `step`. */
const DEFAULTS = {
  view: 'gallery',
  runs: '', // all
  method: '',
  step: '',
  input: '',
  across: 'runs', // what the columns of the gallery are: runs, steps or methods
  example: 0,
  other: '', // what the example is compared with: "run:name" or "step:number"
  opacity: 0.85,
  sign: 'signed',
  scale: 'map',
  colors: 'blue-orange',
  sort: 'order',
  filter: 'all',
  x: '', // axes of the scatter
  y: '',
  threshold: 0.5, // of agreement, below which an explanation has flipped
  units: 'tokens', // what the values of a text belong to: tokens or words
  layer: '', // of attention; "" is the first
  head: '', // the one that is enlarged, or none
  heads: 'each', // or their mean
  special: 'shown', // tokens such as [CLS]; or hidden
};

/** What words of the address may be, and where numbers lie; other texts are names that are looked up in the logs. */
const WORDS = {
  view: ['gallery', 'detail', 'curves', 'pareto', 'tables', 'text', 'attention', 'signals', 'drift'],
  across: ['runs', 'steps', 'methods'],
  sign: ['signed', 'positive', 'negative', 'absolute'],
  scale: ['map', 'example', 'all'],
  colors: Object.keys(MAPS),
  sort: ['order', 'fidelity', 'confidence', 'change', 'label'],
  filter: ['all', 'wrong', 'right', 'flipped'],
  units: ['tokens', 'words'],
  heads: ['each', 'mean'],
  special: ['shown', 'hidden'],
};
const RANGES = { example: [0, Infinity], opacity: [0, 1], threshold: [-1, 1] };

/** The value that a text of the address stands for; the default where it is not allowed. */
function allowed(name, text) {
  const standard = DEFAULTS[name];
  if (name in WORDS) return WORDS[name].includes(text) ? text : standard;
  if (!(name in RANGES)) return text;
  const [low, high] = RANGES[name];
  const value = text.trim() === '' || !Number.isFinite(+text) ? standard : Math.min(high, Math.max(low, +text));
  return name === 'example' ? Math.round(value) : value;
}

export class State {
  constructor() {
    this.listeners = [];
    this.read();
  }

  /** Takes what the address says. */
  read() {
    const given = Object.entries(readAddress()).filter(([name]) => Object.hasOwn(DEFAULTS, name));
    Object.assign(this, DEFAULTS, Object.fromEntries(given.map(([name, text]) => [name, allowed(name, text)])));
  }

  /** Takes new values, puts them into the address, and tells who listens. */
  set(values) {
    Object.assign(this, values);
    const chosen = Object.keys(DEFAULTS).filter((name) => this[name] !== DEFAULTS[name]);
    writeAddress(Object.fromEntries(chosen.map((name) => [name, this[name]])));
    this.listeners.forEach((listener) => listener(values));
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  /** The chosen runs that there are. */
  runsOf(store) {
    const chosen = this.runs.split(',').map(decoded);
    return this.runs ? store.runs.filter((run) => chosen.includes(run)) : store.runs;
  }

  /** The methods to choose from: those of the chosen runs, or of all where these have none. */
  methodsOf(store) {
    const own = store.methods(this.runsOf(store));
    return own.length ? own : store.methods();
  }

  /** The chosen method, or the first. */
  methodOf(store) {
    const methods = this.methodsOf(store);
    return methods.includes(this.method) ? this.method : methods[0];
  }

  /** The chosen step, or the last. */
  stepOf(store) {
    const steps = store.steps(this.runsOf(store), this.methodOf(store));
    return this.step !== '' && steps.includes(+this.step) ? +this.step : steps[steps.length - 1];
  }

  /** What `step` is at a step: the last one is kept as "the last", so that new epochs come into view. */
  stepText(store, step, runs = this.runsOf(store), method = this.methodOf(store)) {
    return step === store.steps(runs, method).at(-1) ? '' : String(step);
  }
}
