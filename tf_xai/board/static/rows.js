/** What is known of the examples at a step, which of them are shown, and in what order. */

import { number } from './dom.js';
import { better, metricsOf, stays } from './metrics.js';

/** The names of the metrics of a `Series` or null, `deletion` and `insertion` first. */
export function metrics(series) {
  const names = series ? metricsOf(series) : [];
  const first = ['deletion', 'insertion'].filter((name) => names.includes(name));
  return [...first, ...names.filter((name) => !first.includes(name))];
}

/** Which explanations have flipped since the logged step before, while the prediction stayed. */
export function flips(series, place, threshold) {
  const agreement = place > 0 ? series.column('agreement', series.steps[place]) : null;
  return stays(series, place).map((same, row) => same && agreement !== null && agreement[row] < threshold);
}

/**
 * What is known of every example at a step: `[{row, label, prediction, probability, right, flipped, ...columns}]`.
 *
 * @param inputs Of `store.inputs`.
 * @param series Of `store.series`, or null where there are no numbers.
 * @param threshold Of agreement, below which an explanation has flipped: `state.threshold`.
 */
export function facts(inputs, series, step, threshold = 0.5) {
  const place = series ? series.place(step) : -1;
  const columns = place < 0 ? [] : series.columns.map((name) => [name, series.column(name, step)]);
  const flipped = place > 0 ? flips(series, place, threshold) : [];
  return Array.from({ length: inputs.n }, (_, row) => {
    const own = Object.fromEntries(columns.map(([name, all]) => [name, all[row]]));
    const label = inputs.labels?.[row] ?? null;
    const classified = own.probability !== undefined && label !== null && Number.isFinite(own.prediction);
    return { ...own, row, label, right: classified ? own.prediction === label : null,
      flipped: flipped[row] ?? false };
  });
}

const FILTERS = {
  all: () => true,
  wrong: ({ right }) => right === false,
  right: ({ right }) => right === true,
  flipped: ({ flipped }) => flipped,
};

/** What sorts, the least first. */
const KEYS = {
  order: ({ row }) => row,
  fidelity: (fact, metric) => (better(metric) < 0 ? -fact[metric] : fact[metric]),
  confidence: ({ probability }) => probability,
  change: ({ agreement }) => agreement,
  label: ({ label }) => label,
};

/** The facts that are shown, in the order of the bar; those without a value come last. */
export function chosen(all, metric, { sort, filter }) {
  const rank = (fact) => {
    const value = (KEYS[sort] ?? KEYS.order)(fact, metric);
    return value === null || value === undefined || Number.isNaN(value) ? Infinity : value;
  };
  const kept = all.filter(FILTERS[filter] ?? FILTERS.all);
  return kept.sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : a.row - b.row));
}

/** A class, or a value, as people call it. */
export function named(value, classes) {
  if (value === null || value === undefined) return '';
  return classes?.[value] ?? number(value);
}

/** The mark of a prediction: of shape as well as of colour. */
export const mark = (right) => (right === null ? '' : right ? '✓' : '✗');
