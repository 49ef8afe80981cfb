/** Attention weights of an example: heads, their mean, and what comes through all layers. */

import { codes } from './scales.js';

/** A layer: `{name, heads, queries, keys, worth, of(head)}`; `worth` is the weight of one code. */
export function layerOf(map, row) {
  const [, heads, queries, keys] = map.shape;
  const all = codes(map, row);
  const of = (head) => all.subarray(head * queries * keys, (head + 1) * queries * keys);
  return { name: map.name, heads, queries, keys, worth: (map.scale[row] ?? NaN) / 127, of };
}

/** Codes as weights, NaN where there are none. */
export const weights = (part, worth) => Float64Array.from(part, (code) => (code === -128 ? NaN : code * worth));

/** The mean over the heads, `queries * keys` weights, row by row. */
export function mean(layer) {
  const sum = new Float64Array(layer.queries * layer.keys);
  for (let head = 0; head < layer.heads; head++) {
    weights(layer.of(head), layer.worth).forEach((weight, i) => (sum[i] += weight / layer.heads));
  }
  return sum;
}

/** Weights as codes again. */
export const quantised = (values, worth) =>
  Int8Array.from(values, (value) => (Number.isNaN(value) ? -128 : worth ? Math.round(value / worth) : 0));

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
