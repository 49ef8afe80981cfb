/** Attention: the heads of a layer, one of them enlarged, and what comes through all layers. */

import { el, notice } from '../dom.js';
import {
  fitting, headline, instead, lacking, pager, pick, readout, richest, toggle, verdict, who, within,
} from '../parts.js';
import { heat, layerOf, limits, mean, part, quantised, rollout } from '../heads.js';
import { cells, legend, matrix } from '../matrix.js';
import { strength } from '../scales.js';
import { ends, line, special, units } from '../tokens.js';

const NOTHING =
  'No run has weights of attention. Give AttributionBoard the explainer "attention" and a model with ' +
  'MultiHeadAttention layers.';
const HINT = 'Choose a head to enlarge it; point at a cell or a token for its weight.';
const SHARES =
  'The share of every token in what the last layer gives, if attention and residual connections carry half each: the ' +
  'mean over the queries.';
const SMALL = 112; // pixels of a head among others

export async function draw({ state, store }) {
  const runs = await fitting(store, state, ({ kind }) => kind === 'attention');
  if (!runs.length) return notice(NOTHING);
  const { inputs, method } = richest(runs);
  const row = within(state, runs);
  const names = [...new Set(runs.flatMap(({ leaves }) => leaves.map(({ name }) => name)))];
  const layer = names.includes(state.layer) ? state.layer : names[0];
  const told = readout(HINT);
  const look = { ...state, colors: heat(state.colors) };
  const parts = await Promise.all(runs.map((run) => section(store, look, { ...run, layer, row, told }, state)));
  return el('section', { className: 'attention', 'aria-label': 'Attention' },
    el('div', { className: 'toolbar' }, ...pager(runs, state), el('strong', { textContent: headline(inputs, row) }),
      pick(state, 'Layer', 'layer', names, layer),
      toggle(state, 'average of heads', 'heads', ['each', 'mean']),
      toggle(state, 'hide special tokens', 'special', ['shown', 'hidden'])),
    told, instead(store, state, method, 'weights of attention'), el('div', { className: 'sections' }, ...parts));
}

/** A run. */
async function section(store, look, entry, state) {
  const { leaves, row, layer } = entry;
  const box = el('article', { className: 'heads' }, who(entry.title, verdict(entry, row)));
  const map = leaves.find(({ name }) => name === layer);
  const none = map ? lacking(entry, row) : notice(`This run has no layer ${layer}.`);
  if (none) {
    box.append(none);
    return box;
  }
  const shown = look.heads === 'mean' ? leaves : [map];
  const grids = await Promise.all(shown.map(async (leaf) => {
    const worth = await strength(store, look, entry.run, entry.method, leaf, row);
    return matrices(entry, leaf, look).map((each) => ({ ...each, limits: limits(each.codes, worth, look.scale) }));
  }));
  const all = grids.flat();
  const chosen = all.find(({ name, head }) => name === layer && head === look.head);
  box.append(
    el('div', { className: 'tiles' }, ...all.map((each) => tile(each, entry, look, each === chosen, state))));
  if (chosen) box.append(enlarged(chosen, entry, look));
  box.append(...flow(entry, map, look));
  return box;
}

/** The heads of a layer, or their mean: `[{name, head, title, codes, height, width, labels, weight}]`. */
function matrices({ inputs, row }, map, look) {
  const layer = layerOf(map, row);
  const [rows, columns] = [layer.queries, layer.keys].map((size) => places(inputs, map, row, size, look));
  const labels = { queries: rows.map(({ text }) => text), keys: columns.map(({ text }) => text) };
  const of = (head, codes, title) => ({
    name: layer.name, head, title, labels, weight: layer.worth, height: rows.length, width: columns.length,
    codes: part(codes, layer.keys, rows.map(({ at }) => at), columns.map(({ at }) => at)),
  });
  if (look.heads === 'mean') return [of('mean', quantised(mean(layer), layer.worth), 'mean of heads')];
  return Array.from({ length: layer.heads }, (_, head) => of(String(head), layer.of(head), `head ${head}`));
}

/** The tokens that are shown, `[{text, at}]`: no padding; numbers where the log has no tokens. */
function places(inputs, map, row, size, look) {
  const tokens = tokensOf(inputs, map, row, size) ?? Array.from({ length: size }, (_, at) => String(at));
  const all = tokens.map((text, at) => ({ text, at }));
  return all.filter(({ text }) => text !== '' && !(look.special === 'hidden' && special(text)));
}

function tokensOf(inputs, map, row, size) {
  const tokens = inputs.leaves.find(({ kind, name }) => kind === 'text' && name === map.of)?.data[row];
  return tokens?.length === size ? tokens : null;
}

/** A canvas for a map, with what it shows in words. */
const canvasOf = ({ name, head, title }, { run, method, step, row }, text) => el('canvas', {
  role: 'img', 'aria-label': `${text} of ${name}, ${title}, example ${row}`, 'data-testid': 'map', 'data-run': run,
  'data-method': method, 'data-step': step, 'data-example': row, 'data-layer': name, 'data-head': head,
});

function tile(each, entry, look, on, state) {
  const canvas = canvasOf(each, entry, 'Weights');
  cells(canvas, each, each.limits, look.colors, Math.max(1, Math.floor(SMALL / Math.max(each.width, each.height))));
  const to = on ? { head: '' } : { layer: each.name, head: each.head };
  return el('button', {
    className: 'cell', onclick: () => state.set(to), 'aria-pressed': on,
    'data-key': `${entry.run} ${each.name} ${each.head}`,
  }, canvas, el('span', { className: 'caption', textContent: each.head === 'mean' ? each.name : each.title }));
}

function enlarged(each, entry, look) {
  const canvas = canvasOf(each, entry, 'Enlarged weights');
  canvas.dataset.key = `large ${entry.run}`;
  canvas.dataset.large = '';
  const drawn = matrix(canvas, each, each.labels, each.limits, each.weight, look.colors, entry.told);
  const weights = each.limits.map((code) => code * each.weight);
  const key = legend(look.colors, weights, look.scale === 'map');
  return el('figure', {}, el('h3', {}, `${each.name}, ${each.title} `, key), drawn);
}

/** The rollout through all layers over the same tokens, as text. */
function flow({ inputs, leaves, row, title, told }, map, look) {
  const layers = leaves.filter(({ of }) => of === map.of).map((leaf) => layerOf(leaf, row));
  const square = layers.filter(({ queries, keys }) => queries === keys && keys === map.shape[3]);
  if (!square.length) return [];
  const size = square[0].keys;
  const tokens = tokensOf(inputs, map, row, size) ?? Array.from({ length: size }, (_, at) => String(at));
  const shares = rollout(square, tokens.map((text) => text !== ''));
  const items = units(tokens, shares, false).filter(({ text }) => !(look.special === 'hidden' && special(text)));
  const [least, most] = ends(items);
  const names = square.map(({ name }) => name);
  const through = names.length > 3 ? [names[0], '…', names[names.length - 1]] : names;
  return [
    el('h3', {}, `Rollout through ${through.join(' → ')} `, legend(look.colors, [least, most], true)),
    line(items, most, { ...look, opacity: 1, sign: 'signed', unsigned: true, least }, `Rollout, ${title}`, told),
    el('p', { className: 'faint', textContent: SHARES }),
  ];
}
