/** Texts: tokens colored by their attributions, a line for every run, method or step. */

import { el, notice, number } from '../dom.js';
import {
  film, fitting, headline, inSlices, instead, lacking, pick, readout, richest, rows, verdict, who,
} from '../parts.js';
import { heat } from '../heads.js';
import { full, values, worths } from '../scales.js';
import { ends, line, plain, units } from '../tokens.js';

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
  const each = (await Promise.all(lines.map((entry) => drawable(store, state, entry)))).flat();
  const texts = rows(basis, state).map((row) => example(state, each, row, told));
  const none = texts.length ? null : notice('No example passes the filter. Choose "all" under "Show".');
  const controls = el('div', { className: 'toolbar' },
    pick(state, 'Lines', 'across', [['runs', 'runs'], ['steps', 'epochs'], ['methods', 'methods']]),
    pick(state, 'Values of', 'units', [['tokens', 'tokens'], ['words', 'words (sums)']]),
    ...keys(lines));
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

/** The maps of an entry, each with what its codes are worth in color. */
const drawable = (store, state, entry) => Promise.all(entry.leaves.map(async (map) =>
  ({ entry, map, worth: await worths(store, state, entry.run, entry.method, map) })));

/** An example, and what draws its lines. */
function example(state, each, row, told) {
  const head = el('h3', { textContent: headline(richest(each.map(({ entry }) => entry)).inputs, row) });
  const article = el('article', { 'data-example': row, style: `min-height: ${each.length * 44}px` }, head);
  return [article, () => article.append(...each.map((one) => oneLine(state, one, row, told)))];
}

function oneLine(state, { entry, map, worth }, row, told) {
  const none = lacking(entry, row);
  if (none) return el('div', { className: 'line', 'data-run': entry.run }, el('strong', {}, entry.title), none);
  const tokens = entry.inputs.leaves.find(({ name }) => name === map.name)?.data[row] ?? [];
  const known = values(map, row);
  const items = units(tokens, known, state.units === 'words');
  const said = verdict(entry, row);
  const title = entry.leaves.length > 1 ? `${entry.title}, ${map.name}` : entry.title;
  const label = `${title}, example ${row}${said.text && `, ${said.text}`}`;
  const name = [entry.run, entry.method, row, map.name].join('\n'); // at every step
  const { most, look, words } = scaled(items, full(map, row, worth[row]), entry.method, state);
  const drawn = folded(items, name, (shown) => line(shown, most, look, label, told));
  const marks = { 'data-run': entry.run, 'data-method': entry.method, 'data-step': entry.step };
  return el('div', { className: 'line', ...marks }, who(title, said), drawn,
    el('span', { className: 'most', textContent: words, style: 'white-space:normal' }), padding(tokens, known));
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

/** How much of the attributions is on padding, which is not shown; null where that is little. */
function padding(tokens, all) {
  const sizes = Array.from(all, (value) => Math.abs(value) || 0);
  const sum = (part) => part.reduce((total, size) => total + size, 0);
  const share = (100 * sum(sizes.filter((_, at) => !tokens[at]))) / (sum(sizes) || 1);
  if (share <= 1) return null;
  const words = `padding has ${number(share, 0)} % of the attribution`;
  return el('span', { className: 'faint', style: 'grid-column:2', textContent: words });
}

/** Whether a method has shares, which speak neither for nor against the score. */
const isUnsigned = (method) => /rollout/.test(method);

/** Full color: its value, how a line looks with it, and what is said of it. Shares are spread from their least. */
function scaled(items, full, method, state) {
  if (!isUnsigned(method)) return { most: full, look: state, words: `full color ±${plain(full)}` };
  const [least, most] = state.scale === 'map' ? ends(items) : [0, full];
  const look = { ...state, colors: heat(state.colors), sign: 'signed', unsigned: true, least };
  return { most, look, words: `color from ${plain(least)} to ${plain(most)}` };
}

/** What the underlines say. */
const keys = (lines) => [
  lines.some(({ method }) => !isUnsigned(method)) ? key() : null,
  lines.some(({ method }) => isUnsigned(method)) ? shareKey() : null,
].filter(Boolean);

const shareKey = () =>
  el('span', { className: 'key', textContent: 'rollout has shares: the thicker the line, the larger' });

const key = () => el('span', { className: 'key' },
  el('span', { className: 'token', textContent: 'raises', style: 'border-bottom: 2px solid' }), ' or ',
  el('span', { className: 'token', textContent: 'lowers', style: 'border-bottom: 2px dashed' }), ' the score');
