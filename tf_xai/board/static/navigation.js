/** The views, and which of them have something to show. */

import { el } from './dom.js';
import { draw as attention } from './views/attention.js';
import { draw as curves } from './views/curves.js';
import { draw as detail } from './views/detail.js';
import { draw as drift } from './views/drift.js';
import { draw as gallery } from './views/gallery.js';
import { draw as pareto } from './views/pareto.js';
import { draw as signals } from './views/signals.js';
import { draw as tables } from './views/tables.js';
import { draw as text } from './views/text.js';

const view = (title, draw, needs = () => true) => ({ title, draw, needs });

/** In the order of the tabs; `needs(store, kinds)` says whether there is something to draw. */
export const VIEWS = {
  gallery: view('Gallery', gallery),
  detail: view('Detail', detail),
  curves: view('Curves', curves, (store) => store.runs.some((run) => Object.keys(store.scalars(run)).length)),
  pareto: view('Pareto', pareto, (store) => store.columns().length > 0),
  tables: view('Tables', tables, (_, kinds) => kinds.has('table')),
  text: view('Text', text, (_, kinds) => kinds.has('text')),
  attention: view('Attention', attention, (_, kinds) => kinds.has('attention')),
  signals: view('Signals', signals, (_, kinds) => kinds.has('series') || kinds.has('audio')),
  drift: view('Drift', drift, (store) => store.columns().includes('agreement')),
};

/** The buttons: made once, so that none is replaced while it is pressed. */
export class Navigation {
  constructor(state, store) {
    Object.assign(this, { state, store, kinds: new Set(), known: new Map() });
    this.buttons = Object.entries(VIEWS).map(([name, { title }]) => [name, el('button', {
      textContent: title, disabled: true, onclick: () => state.set({ view: name }), 'data-testid': `view-${name}`,
    })]);
    this.element = el('nav', { 'aria-label': 'Views' }, ...this.buttons.map(([, button]) => button));
  }

  /** Takes in the kinds of inputs that have been read, and of those that the index tells of. */
  learn(inputs) {
    const read = inputs.flatMap((each) => each?.leaves.map(({ kind }) => kind) ?? []);
    const told = Object.values(this.store.index.runs).flatMap(({ kinds = [] }) => kinds);
    this.kinds = new Set([...this.kinds, ...read, ...told]);
  }

  update() {
    const { state, store, kinds } = this;
    for (const [name, button] of this.buttons) {
      const disabled = !store.runs.length || !VIEWS[name].needs(store, kinds);
      if (button.disabled !== disabled) button.disabled = disabled;
      if (state.view === name) button.setAttribute('aria-current', 'page');
      else button.removeAttribute('aria-current');
    }
  }

  /** Looks for the kinds of inputs and of maps in all runs, as long as `wanted()`; others are forgotten. */
  async explore(wanted) {
    const { store } = this;
    const [found, seen] = [new Set(), new Set()];
    for (const run of store.runs) {
      if (!wanted()) return;
      const own = store.index.runs[run].kinds ?? kindsOf(await store.inputs(run));
      own.forEach((kind) => found.add(kind));
      for (const method of store.methods([run])) {
        const one = String([method, ...own]); // alike in all runs of these inputs
        if (seen.has(one) || !wanted()) continue;
        seen.add(one);
        (await this.kindsOfMaps(run, method)).forEach((kind) => found.add(kind));
      }
    }
    if (!wanted()) return;
    this.kinds = found;
    this.update();
  }

  /** Read once for every method of a run: they stay the same from epoch to epoch. */
  async kindsOfMaps(run, method) {
    const key = JSON.stringify([run, method, this.store.index.runs[run].inputs]);
    if (!this.known.has(key)) {
      const maps = await this.store.maps(run, method, Infinity);
      if (!maps) return [];
      this.known.set(key, kindsOf(maps));
    }
    return this.known.get(key);
  }
}

const kindsOf = (read) => (read ? [...new Set(read.leaves.map(({ kind }) => kind))] : []);
