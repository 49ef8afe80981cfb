/** The views, and which of them have something to show. */

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

/** Whether there is something for a view; `kinds` are those of the inputs and of the maps read so far. */
export const shows = (name, store, kinds) => store.runs.length > 0 && VIEWS[name].needs(store, kinds);
