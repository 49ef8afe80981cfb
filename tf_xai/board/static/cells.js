/** What the gallery and the detail share: a map of an example, with what is known of it. */

import { el, number } from './dom.js';
import { facts, mark, metrics, named } from './rows.js';
import { strength } from './scales.js';
import { leafOf } from './thumbs.js';

/**
 * All that a column of maps needs.
 *
 * @param column `{run, method, step, title}`.
 * @returns The column with `inputs` and `series`; `map`, the leaf of the chosen input, and `at`, its step; `base`, the
 *   leaf of the input that it belongs to; `known`, the facts of rows.js; `names` of metrics; and `worth`, of a code,
 *   for every example. Without `inputs` there is nothing to draw.
 */
export async function load(column, state, store) {
  const { run, method, step } = column;
  const [inputs, maps, series] = await Promise.all([
    store.inputs(run),
    store.maps(run, method, step),
    store.series(run, method),
  ]);
  if (!inputs) return column;
  const map = maps && leafOf(maps.leaves, state.input);
  const base = leafOf(inputs.leaves, map ? (map.of ?? map.name) : state.input);
  const worth = map ? await Promise.all(map.scale.map((_, row) => strength(store, state, run, method, map, row))) : [];
  const known = facts(inputs, series, step);
  return { ...column, inputs, series, map, at: maps?.step, base, worth, known, names: metrics(series) };
}

/** The canvas for a map, or one that there is, with what it says of itself; it is still to be drawn on. */
export function mapCanvas({ run, method, at, title, known }, row, canvas = el('canvas')) {
  const right = known[row]?.right ?? null;
  canvas.className = right === null ? '' : right ? 'right' : 'wrong';
  Object.assign(canvas.dataset, { testid: 'map', run, step: at, method, example: row });
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `Attributions of example ${row}, ${title}`);
  return canvas;
}

/** Prediction and probability; metrics; the epoch, where it is an earlier one. */
export function caption(row, { inputs, names, known, at, step }, most = 2) {
  const fact = known[row];
  const { right, prediction, probability } = fact;
  const share = probability === undefined ? '' : fixed(probability);
  const values = names.slice(0, most).map((name) => `${SHORT[name] ?? name} ${fixed(fact[name])}`);
  const texts = [
    `${mark(right)} ${named(prediction, inputs.classes)} ${share}`.trim(),
    values.join(' · '),
    at === step ? '' : `map of epoch ${at}`,
  ];
  const spans = texts.filter(Boolean).map((text) => el('span', { textContent: text, title: text }));
  if (right !== null) spans[0].className = right ? 'verdict-right' : 'verdict-wrong';
  return el('span', { className: 'caption' }, ...spans);
}

const SHORT = { deletion: 'del', insertion: 'ins' };

/** Two digits after the point, so that numbers stand below each other. */
const fixed = (value) => (Math.abs(value) < 100 ? value.toFixed(2) : number(value));
