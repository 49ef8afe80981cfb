/** What the bar has chosen: one object for all views, kept in the address. */

import { MAPS } from './colours.js';
import { readAddress, writeAddress } from './host.js';

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

export class State {
  constructor() {
    this.listeners = [];
    this.read();
  }

  /** Takes what the address says. */
  read() {
    Object.assign(this, DEFAULTS);
    for (const [name, text] of Object.entries(readAddress())) {
      if (!(name in DEFAULTS)) continue;
      const number = typeof DEFAULTS[name] === 'number';
      if (!number || Number.isFinite(+text)) this[name] = number ? +text : text;
    }
    if (!(this.colors in MAPS)) this.colors = DEFAULTS.colors;
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
    const chosen = this.runs.split(',').map(decodeURIComponent);
    return this.runs ? store.runs.filter((run) => chosen.includes(run)) : store.runs;
  }

  /** The chosen method, or the first. */
  methodOf(store) {
    const methods = store.methods();
    return methods.includes(this.method) ? this.method : methods[0];
  }

  /** The chosen step, or the last. */
  stepOf(store) {
    const steps = store.steps(this.runsOf(store), this.methodOf(store));
    return this.step !== '' && steps.includes(+this.step) ? +this.step : steps[steps.length - 1];
  }
}
