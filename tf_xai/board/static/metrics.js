/** Means of the metrics, which way is better, and how runs look in charts. */

import { DASHES, RUNS } from './colours.js';

/** Which way is better, 1 up and -1 down, by the end of a line's name; the first that fits. */
const BETTER = [
  [-1, /(^|_)(loss|error|mse|mae|msle|mape|crossentropy|hinge|deviance)$/],
  [1, /(^|_)(accuracy|acc|auc|precision|recall|f1_score|r2_score|iou)$/],
  [-1, /(^|_)(completeness|deletion|sufficiency|infidelity|max_sensitivity|local_lipschitz|complexity)$/],
  [-1, /(^|_)(parameter_randomisation|random_logit)$/],
  [1, /(^|_)(insertion|comprehensiveness|faithfulness_\w+|sensitivity_n|monotonicity|\w*fidelity|efficient_mprt)$/],
  [1, /(^|_)(sparseness|relevance_\w+|pointing_game|localisation_iou|average_precision)$/],
  [1, /(^|_)(\w*agreement|probability)$/],
];

/** 1 where more is better, -1 where less is, 0 of what is not known. */
export const better = (name) => BETTER.find(([, pattern]) => pattern.test(name))?.[0] ?? 0;

/** Columns that are no metrics of an explanation. */
const OTHERS = ['score', 'prediction', 'probability', 'agreement'];

/** Names of the metrics of a method's examples. */
export const metricsOf = ({ columns }) =>
  columns.filter((name) => !OTHERS.includes(name) && !/^(scale|clip)(\/|$)/.test(name));

/** `{mean, error, count}` of the finite ones: `error` is the standard error, null of a single one. */
export function mean(values) {
  const known = (values ?? []).filter((value) => value !== null && Number.isFinite(value));
  const count = known.length;
  if (!count) return { mean: null, error: null, count };
  const middle = known.reduce((sum, value) => sum + value, 0) / count;
  const square = known.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return { mean: middle, error: count > 1 ? Math.sqrt(square / (count - 1) / count) : null, count };
}

/** `[[step, mean over the examples or null], ...]` of a column. */
export const meansOf = (series, column) => series.steps.map((step) => [step, mean(series.column(column, step)).mean]);

/** `[[step, low, high], ...]`: where the mean lies with 95 % confidence, for other examples of the same kind. */
export const bandOf = (series, column) =>
  series.steps.map((step) => {
    const { mean: middle, error } = mean(series.column(column, step));
    return error === null ? [step, null, null] : [step, middle - 1.96 * error, middle + 1.96 * error];
  });

/** Name, color, dash and shape of a run, the same in all views. */
export function look(store, run) {
  const place = store.runs.indexOf(run);
  const { title } = store.index.runs[run];
  return { name: title, colour: RUNS[place % RUNS.length], dash: DASHES[place % DASHES.length], shape: place };
}

/** The method of random attributions of a run that has a column; null where there is none. */
export function controlOf(store, run, column) {
  const methods = Object.entries(store.index.runs[run].methods);
  return methods.find(([, { control, columns }]) => control && columns.includes(column))?.[0] ?? null;
}

/** Of a regression, what counts as the same prediction: so many standard deviations, as in `ExplanationDrift`. */
const TOLERANCE = 0.1;

/** Which examples have the prediction that they had at the step before; of the first step, none. */
export function stays(series, place) {
  const now = series.column('prediction', series.steps[place]);
  const then = place > 0 ? series.column('prediction', series.steps[place - 1]) : null;
  if (!now || !then) return Array.from({ length: series.n }, () => false);
  const apart = series.columns.includes('probability') ? 0 : TOLERANCE * deviation(then.filter(Number.isFinite));
  return now.map((value, row) => Math.abs(value - then[row]) <= apart);
}

function deviation(values) {
  const middle = mean(values).mean;
  return values.length ? Math.sqrt(mean(values.map((value) => (value - middle) ** 2)).mean) : 0;
}

/** What `state.step` is at the logged step that is nearest to an epoch: the last one is "", see `State`. */
export function stepNear(state, store, epoch) {
  const steps = store.steps(state.runsOf(store), state.methodOf(store));
  const near = steps.reduce((best, step) => (Math.abs(step - epoch) < Math.abs(best - epoch) ? step : best), steps[0]);
  return near === undefined || near === steps[steps.length - 1] ? '' : String(near);
}
