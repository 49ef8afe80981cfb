/** Curves: how right the models are, above how faithful their explanations are. */

import { grid, lines } from '../charts.js';
import { el, notice } from '../dom.js';
import { bandOf, better, controlOf, look, meansOf, metricsOf, stepNear } from '../metrics.js';

const LESSON = 'Faithful is not the same as right: read fidelity beside accuracy.';
const NONE =
  'No fidelity metrics in these logs: AttributionBoard(..., metrics=["deletion", "insertion"]) writes some.';
const WAYS = { 1: 'higher is better', '-1': 'lower is better' };
const CONTROL = /_(random|weights|oracle)$/;

export async function draw({ state, store }) {
  const runs = state.runsOf(store);
  const method = state.methodOf(store);
  const cursor = state.stepOf(store);
  const onStep = (at) => state.set({ step: stepNear(state, store, at) });
  const chart = (content) => lines({ ...content, cursor, onStep });
  const task = taskCharts(store, runs).map(chart);
  const fidelity = [...(await columnCharts(store, runs, method)), ...lineCharts(store, runs)].map(chart);
  if (!task.length && !fidelity.length) {
    return notice(NONE);
  }
  return el('div', { className: 'curves' },
    el('p', { className: 'lesson', textContent: LESSON }),
    part('How right the models are', task, 'No lines of the training in these logs.'),
    part('How faithful the explanations are', fidelity, NONE));
}

const part = (title, charts, without) => el('section', {}, el('h2', { textContent: title }),
  charts.length ? grid(...charts) : notice(without));

/** Every tag that a run has and that `fits`. */
const tags = (store, runs, fits) =>
  [...new Set(runs.flatMap((run) => Object.keys(store.scalars(run))))].filter(fits).sort();

function grouped(names, group) {
  const groups = new Map();
  for (const name of names) groups.set(group(name), [...(groups.get(group(name)) ?? []), name]);
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Accuracies together, losses together, and others by their names. */
function taskCharts(store, runs) {
  const kind = (tag) => (/(^|_)acc(uracy)?$/.test(tag) ? 'accuracy' : /(^|_)loss$/.test(tag) ? 'loss' : bare(tag));
  const place = ([title]) => (['accuracy', 'loss'].indexOf(title) + 3) % 3; // before others, which have 2
  const groups = grouped(tags(store, runs, (tag) => !isFidelity(tag)), kind).sort((a, b) => place(a) - place(b));
  return groups.map(([title, names]) => ({
    title: titled(title),
    series: linesOf(store, runs, names),
  }));
}

const bare = (tag) => tag.replace(/^val_/, '');
const isFidelity = (tag) => /^xai_/.test(bare(tag));
const titled = (name, more = '') => [`${name}${more}`, WAYS[better(name)]].filter(Boolean).join(', ');

const linesOf = (store, runs, names) =>
  runs.flatMap((run) => names.map((tag) => lineOf(store, run, tag, names))).filter(Boolean);

/** A line of the log: controls dotted; where training and validation share a chart, training thin with hollow marks. */
function lineOf(store, run, tag, names) {
  const points = store.scalars(run)[tag];
  if (!points) return null;
  const [named, control] = [names.length > 1, CONTROL.test(tag)];
  const { name, colour, dash } = look(store, run);
  const thin = control || names.includes(`val_${tag}`);
  return { name: named ? `${name}: ${tag}` : name, points, colour, dash: control ? '1 4' : dash,
    width: thin ? 1.2 : 2.2, mark: control ? null : thin ? 'hollow' : 'full' };
}

/** Means over the examples of a method, each with the band in which those of random attributions lie. */
async function columnCharts(store, runs, method) {
  const all = await Promise.all(runs.map(async (run) => [run, await store.series(run, method)]));
  const known = all.filter(([, series]) => series);
  const columns = [...new Set(known.flatMap(([, series]) => metricsOf(series)))];
  return Promise.all(columns.map(async (column) => {
    const own = known.filter(([, series]) => series.columns.includes(column))
      .map(([run, series]) => ({ ...look(store, run), points: meansOf(series, column) }));
    const random = await Promise.all(known.map(([run]) => randomBand(store, run, column)));
    return { title: titled(column, `, ${method}`), series: [...random.filter(Boolean), ...own] };
  }));
}

async function randomBand(store, run, column) {
  const control = controlOf(store, run, column);
  const series = control && (await store.series(run, control));
  if (!series) return null;
  const { name, colour } = look(store, run);
  return { name: `${name}: random attributions`, points: meansOf(series, column), band: bandOf(series, column), colour,
    dash: '1 4', width: 1.2, mark: null };
}

/** Lines of the log about explanations, each with its controls: of several explainers all have the same ones. */
function lineCharts(store, runs) {
  const all = tags(store, runs, isFidelity);
  const groups = grouped(all.filter((tag) => !CONTROL.test(tag)), bare);
  const of = (title) => all.filter((tag) => CONTROL.test(tag) && `_${title}`.endsWith(metric(tag)));
  const charts = groups.map(([title, names]) => [title, [...names, ...of(title)]]);
  const alone = all.filter((tag) => !charts.some(([, names]) => names.includes(tag)));
  return [...charts, ...grouped(alone, bare)].map(([title, names]) => (
    { title: titled(title), series: linesOf(store, runs, names) }));
}

/** "_deletion" of "xai_deletion_random". */
const metric = (tag) => bare(tag).replace(CONTROL, '').replace(/^xai/, '');
