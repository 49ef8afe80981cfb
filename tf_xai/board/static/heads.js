/** Attention weights of an example: heads, their mean, and what comes through all layers. */

import { sequential } from './colours.js';
import { codes } from './scales.js';

const NONE = -128; // the code of what is no number

/** The colors of attention, in all views: the chosen ones where they are sequential. */
export const heat = (colors) => (sequential(colors) ? colors : 'viridis');

/** A layer: `{name, heads, queries, keys, worth, of(head)}`; `worth` is the weight of one code. */
export function layerOf(map, row) {
  const [, heads, queries, keys] = map.shape;
  const all = codes(map, row);
  const of = (head) => all.subarray(head * queries * keys, (head + 1) * queries * keys);
  return { name: map.name, heads, queries, keys, worth: (map.scale[row] ?? NaN) / 127, of };
}

/** Codes as weights, NaN where there are none. */
export const weights = (part, worth) => Float64Array.from(part, (code) => (code === NONE ? NaN : code * worth));

/** The mean over the heads, `queries * keys` weights, row by row. */
export function mean(layer) {
  const sum = new Float64Array(layer.queries * layer.keys);
  for (let head = 0; head < layer.heads; head++) {
    weights(layer.of(head), layer.worth).forEach((weight, i) => (sum[i] += weight / layer.heads));
  }
  return sum;
}

/** The same of codes, as codes; of what is no number in a head there is no mean. */
export function meanOf(all, heads) {
  const size = all.length / heads;
  const of = (i) => Array.from({ length: heads }, (_, head) => all[head * size + i]);
  const middle = (each) => (each.includes(NONE) ? NONE : Math.round(each.reduce((a, b) => a + b, 0) / heads));
  return Int8Array.from({ length: size }, (_, i) => middle(of(i)));
}

/** The least and the largest code; zeros where there is no number. */
export function range(part) {
  const known = Array.from(part).filter((code) => code !== NONE);
  if (!known.length) return [0, 0];
  return known.reduce(([low, high], code) => [Math.min(low, code), Math.max(high, code)], [Infinity, -Infinity]);
}

/**
 * The codes that the first and the last color stand for: of a map's own scale its least and its largest, as weights
 * near 1 / n would look all alike from 0; of others 0 and what full color stands for.
 *
 * @param worth Of a code in color, as in `paint`.
 */
export const limits = (part, worth, scale) => (scale === 'map' ? range(part) : [0, worth ? 1 / worth : 0]);

/** Codes of 0 to 127 between two limits, worth 1 / 127 each. */
export function stretched(part, [low, high]) {
  const share = (code) => (high > low ? Math.max(0, Math.min(1, (code - low) / (high - low))) : 0);
  return part.map((code) => (code === NONE ? NONE : Math.round(127 * share(code))));
}

/** Weights as codes again. */
export const quantised = (values, worth) =>
  Int8Array.from(values, (value) => (Number.isNaN(value) ? NONE : worth ? Math.round(value / worth) : 0));

/**
 * How much of every token arrives at the last layer, if attention and the residual connections carry half each: the
 * mean over the queries of `R_l = normalise(1/2 A_l + 1/2 I) R_{l-1}`, as in `xai.attributions.attention_rollout`.
 *
 * The mean of the rows is taken first, and goes back through the layers: vectors in place of matrices.
 *
 * @param layers In the order of their calls, all with as many queries as keys.
 * @param valid Whether a token is no padding, for every token.
 */
export function rollout(layers, valid) {
  const count = valid.filter(Boolean).length;
  const start = Float64Array.from(valid, (each) => (each ? 1 / count : 0));
  return layers.reduceRight((row, layer) => before(row, mean(layer), layer.keys), start);
}

/** What arrives through a layer, row vector times matrix. */
function before(row, attention, size) {
  const out = new Float64Array(size);
  for (let query = 0; query < size; query++) {
    const mixed = attention.slice(query * size, (query + 1) * size).map((weight) => weight / 2);
    mixed[query] += 0.5;
    const total = mixed.reduce((a, b) => a + b, 0);
    if (row[query] !== 0) mixed.forEach((weight, key) => (out[key] += (row[query] * weight) / total));
  }
  return out;
}

/** The part of a matrix with these rows and columns. */
export function part(matrix, keys, rows, columns) {
  const Kind = matrix.constructor;
  return Kind.from(rows.flatMap((row) => columns.map((column) => matrix[row * keys + column])));
}
