/** What the gallery and the detail share: a map of an example, with what is known of it. */

import { el, number } from './dom.js';
import { facts, mark, metrics, named } from './rows.js';
import { worths } from './scales.js';
import { leafOf } from './thumbs.js';

/**
 * All that a column of maps needs.
 *
 * @param column `{run, method, step, title}`.
 * @returns The column with `inputs` and `series`; `map`, the leaf of the chosen input, and `at`, its step; `base`, the
 *   leaf of the input that it belongs to; `absent`, why there is no map; `known`, the facts of
 *   rows.js; `names` of metrics; and `worth`, of a code, for every example. Without `inputs` there is nothing to draw.
 */
export async function load(column, state, store) {
  const { run, method, step } = column;
  const [inputs, maps, series] = await Promise.all([
    store.inputs(run),
    store.maps(run, method, step),
    store.series(run, method),
  ]);
  if (!inputs) return column;
  const absent = maps ? null : absence(column, store);
  const map = maps && leafOf(maps.leaves, state.input);
  const base = leafOf(inputs.leaves, map ? (map.of ?? map.name) : state.input);
  const worth = map ? await worths(store, state, run, method, map) : [];
  const known = facts(inputs, series, step, state.threshold);
  return { ...column, inputs, series, map, at: maps?.step, absent, base, worth, known, names: metrics(series) };
}

/** Why a column has no maps, in words. */
function absence({ run, method, step }, store) {
  const [first] = store.steps([run], method);
  if (first === undefined) return 'not logged by this method';
  return first > step ? `not logged before epoch ${first}` : 'cannot be read';
}

/** The column by which examples are chosen: of some numbers and maps, if possible of the chosen method and step. */
export function basisOf(columns, state, store) {
  const [method, step] = [state.methodOf(store), state.stepOf(store)];
  const whole = columns.filter(({ series, map }) => series && map);
  const own = whole.find((each) => each.method === method && each.step === step);
  return own ?? whole[0] ?? columns.find(({ map }) => map) ?? columns[0];
}

/** The canvas for a map, or one that there is, with what it says of itself; it is still to be drawn on. */
export function mapCanvas({ run, method, at, title, known, map }, row, canvas = el('canvas')) {
  const right = known[row]?.right ?? null;
  canvas.className = right === null ? '' : right ? 'right' : 'wrong';
  Object.assign(canvas.dataset, { testid: 'map', run, step: at, method, example: row });
  canvas.setAttribute('role', 'img');
  const nothing = map?.clip?.[row] === null ? ': no finite values' : '';
  canvas.setAttribute('aria-label', `Attributions of example ${row}, ${title ?? method}${nothing}`);
  return canvas;
}

/** The label, where examples are other ones; prediction and probability; metrics; the epoch, where it is earlier. */
export function caption(row, { inputs, names, known, at, step, foreign }, most = 2) {
  const fact = known[row];
  const { label, right, prediction, probability } = fact;
  const share = probability === undefined ? '' : fixed(probability);
  const values = names.slice(0, most).map((name) => `${SHORT[name] ?? name} ${fixed(fact[name])}`);
  const said = `${mark(right)} ${named(prediction, inputs.classes)} ${share}`.trim();
  const texts = [
    foreign && label !== null ? `label ${named(label, inputs.classes)}` : '',
    said,
    values.join(' · '),
    at === step ? '' : `map of epoch ${at}`,
  ];
  const verdict = right === null ? '' : right ? 'verdict-right' : 'verdict-wrong';
  const spans = texts.filter(Boolean)
    .map((text) => el('span', { textContent: text, title: text, className: text === said ? verdict : '' }));
  return el('span', { className: 'caption' }, ...spans);
}

const SHORT = { deletion: 'del', insertion: 'ins' };

/** Two digits after the point, so that numbers stand below each other. */
const fixed = (value) =>
  !Number.isFinite(value) ? '–' : Math.abs(value) < 100 ? value.toFixed(2) : number(value);

/** Whether the examples of two runs are the same ones, as far as the logs tell. */
export const alike = (inputs, others) =>
  !inputs?.digest || !others?.digest || inputs.digest === others.digest;

/** What is wrong where runs show other examples than the first one; `all` are their inputs. */
export function strangers(runs, all, store) {
  const first = all.findIndex(Boolean);
  const title = (run) => store.index.runs[run].title;
  const others = runs.filter((_, i) => all[i] && !alike(all[first], all[i]));
  return others.map((run) =>
    `run ${title(run)} shows other examples than run ${title(runs[first])}: rows are not the same ones`);
}
