/** Texts: tokens colored by their attributions, a line for every run, method or step. */

import { el, notice } from '../dom.js';
import { film, fitting, headline, inSlices, instead, pick, readout, rows, verdict, who } from '../parts.js';
import { full, strength, values } from '../scales.js';
import { line, plain, units } from '../tokens.js';

const NOTHING =
  'No run has attributions of tokens. Train a model on token ids with AttributionBoard, then choose a method above ' +
  'that explains inputs, such as integrated_gradients.';
const HINT = 'Point at a token, or go through a line with the arrow keys, for its value.';
/** Of a longer text the rest is shown on request. */
const FOLD = 80;
/** Texts that are shown whole. */
const unfolded = new Set();

const isText = ({ kind }) => kind === 'text';

export async function draw({ state, store }) {
  const lines = await among(store, state);
  if (!lines.length) return notice(NOTHING);
  const told = readout(HINT);
  const basis = await fitting(store, state, isText);
  const texts = await Promise.all(rows(basis, state).map((row) => example(store, state, lines, row, told)));
  const none = texts.length ? null : notice('No example passes the filter. Choose "all" under "Show".');
  const controls = el('div', { className: 'toolbar' },
    pick(state, 'Lines', 'across', [['runs', 'runs'], ['steps', 'epochs'], ['methods', 'methods']]),
    pick(state, 'Values of', 'units', [['tokens', 'tokens'], ['words', 'words (sums)']]),
    key());
  const other = instead(store, state, lines[0].method, 'attributions of tokens');
  const element = el('section', { className: 'texts', 'aria-label': 'Texts' },
    controls, told, other, none, ...texts.map(([article]) => article));
  element.addEventListener('shown', () => inSlices(texts));
  return element;
}

/** What there is a line of, as `fitting` gives it. */
async function among(store, state) {
  const found = await fitting(store, state, isText);
  if (!found.length || !['methods', 'steps'].includes(state.across)) return found;
  const runs = found.map(({ run }) => run);
  const each = state.across === 'methods'
    ? store.methods(runs).map((method) => fitting(store, state, isText, [method]))
    : film(store.steps(runs, found[0].method)).map(async (step) =>
      (await fitting(store, state, isText, [found[0].method], step)).filter((entry) => entry.step === step));
  const more = ({ method, step }) => (state.across === 'methods' ? method : `epoch ${step}`);
  const all = (await Promise.all(each)).flat().map((entry) => ({ ...entry, title: `${entry.title}, ${more(entry)}` }));
  return runs.flatMap((run) => all.filter((entry) => entry.run === run));
}

/** An example, and what draws its lines. */
async function example(store, state, lines, row, told) {
  const each = lines.flatMap((entry) => entry.leaves.map((map) => ({ entry, map })));
  const most = await Promise.all(each.map(async ({ entry: { run, method }, map }) =>
    full(map, row, await strength(store, state, run, method, map, row))));
  const head = el('h3', { textContent: headline(lines[0].inputs, row) });
  const article = el('article', { 'data-example': row, style: `min-height: ${each.length * 44}px` }, head);
  return [article, () => {
    article.append(...each.map(({ entry, map }, i) => oneLine(state, entry, map, most[i], row, told)));
  }];
}

function oneLine(state, entry, map, most, row, told) {
  const tokens = entry.inputs.leaves.find(({ name }) => name === map.name)?.data[row] ?? [];
  const items = units(tokens, values(map, row), state.units === 'words');
  const said = verdict(entry, row);
  const title = entry.leaves.length > 1 ? `${entry.title}, ${map.name}` : entry.title;
  const label = `${title}, example ${row}${said.text && `, ${said.text}`}`;
  const name = [entry.run, entry.method, entry.step, row, map.name].join('\n');
  const drawn = folded(items, name, (shown) => line(shown, most, state, label, told));
  const marks = { 'data-run': entry.run, 'data-method': entry.method, 'data-step': entry.step };
  return el('div', { className: 'line', ...marks }, who(title, said), drawn, ends(most));
}

/** A line, or its beginning and a button that shows the rest. */
function folded(items, name, make) {
  if (items.length <= FOLD || unfolded.has(name)) return make(items);
  const hidden = items.slice(FOLD);
  const size = (part) => part.reduce((sum, { value }) => sum + (Math.abs(value) || 0), 0);
  const left = Math.round((100 * size(hidden)) / (size(items) || 1));
  const box = el('div', { className: 'folded' }, make(items.slice(0, FOLD)));
  box.append(el('button', {
    className: 'plain',
    textContent: `… show all ${items.length}; the rest has ${left} % of the size of the attributions`,
    'data-testid': 'unfold',
    onclick: () => {
      unfolded.add(name);
      const whole = make(items);
      box.replaceWith(whole);
      whole.querySelector('.token').focus();
    },
  }));
  return box;
}

/** The value of full color. */
const ends = (most) => el('span', { className: 'most', textContent: `full color ±${plain(most)}` });

/** What the underlines say. */
const key = () => el('span', { className: 'key' },
  el('span', { className: 'token', textContent: 'raises', style: 'border-bottom: 2px solid' }), ' or ',
  el('span', { className: 'token', textContent: 'lowers', style: 'border-bottom: 2px dashed' }), ' the score');
