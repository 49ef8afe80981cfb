/** Pareto: any metric against any other, a point for every run and epoch. */

import { scatter } from '../charts.js';
import { el, notice, number } from '../dom.js';
import { better, look, meansOf, metricsOf, stepNear } from '../metrics.js';
import { pick } from '../parts.js';
import { table } from '../sortable.js';

const FIRST = ['val_accuracy', 'accuracy', 'val_loss', 'loss'];

export async function draw({ state, store }) {
  const method = state.methodOf(store);
  const courses = coursesOf(store, await Promise.all(state.runsOf(store).map((run) => columnsOf(store, run, method))));
  const names = [...new Set(courses.flatMap(({ values }) => [...values.keys()]))];
  if (names.length < 2) return notice('It takes two metrics: log a line of the training and a fidelity metric.');
  const [x, y] = axesOf(state, names);
  const points = courses.flatMap((course) => pointsOf(store, course, x, y, state.stepOf(store)));
  const front = frontOf(points, way(x), way(y));
  front.forEach((point) => Object.assign(point, { front: true, data: { ...point.data, 'data-front': true } }));
  const has = (name) => courses.some(({ columns }) => columns.has(name));
  const logged = (name) => (lineOf(name) ? `${lineOf(name)}, a line of the log` : name);
  const shown = (name) => (has(name) ? `${name}, ${method}` : logged(name));
  return el('div', { className: 'pareto' },
    el('div', { className: 'toolbar' },
      axis('Across', 'x', names, shown, x, state), axis('Up', 'y', names, shown, y, state)),
    el('p', { textContent: `${ways(x, y)} Large: the last epoch; ringed: the chosen one.`, 'data-testid': 'ways' }),
    hint(points, x, y),
    ...(points.length ? drawn(state, store, { x, y, shown, points, front }) : [notice(never(x, y))]));
}

const never = (x, y) => `No epoch has a value of both ${x} and ${y}: choose other metrics.`;

function drawn(state, store, { x, y, shown, points, front }) {
  const choose = ({ step }) => state.set({ step: stepNear(state, store, step) });
  const title = `${shown(y)} against ${shown(x)}`;
  const plot = scatter({ title, xLabel: x, yLabel: y, points, front, onPoint: choose });
  plot.style.flex = '1 1 400px';
  const button = (point) => el('button', { type: 'button', className: 'plain', textContent: point.step,
    onclick: () => choose(point), 'data-key': `point-${point.name}-${point.step}`,
    'aria-label': `Choose epoch ${point.step}` });
  const columns = [
    { name: 'run', value: ({ name }) => name },
    { name: 'epoch', value: ({ step }) => step, cell: button },
    { name: x, value: (point) => point.x },
    { name: y, value: (point) => point.y },
    { name: 'on the front', value: (point) => (point.front ? 1 : 0), cell: (point) => (point.front ? '★ yes' : '') },
  ];
  const sides = el('div', { style: 'display:flex;flex-wrap:wrap;gap:16px 32px' });
  sides.append(plot, table('points', 'The points', columns, points));
  return [sides];
}

const axis = (label, id, names, shown, value, state) =>
  pick(state, label, id, names.map((name) => [name, shown(name)]), value);

/** The chosen axes; else how right the model is, and the first metric of its explanations. */
function axesOf(state, names) {
  const has = (name) => names.includes(name);
  const x = has(state.x) ? state.x : FIRST.find(has) ?? names.find((name) => !/^(val_)?xai_/.test(name)) ?? names[0];
  return [x, has(state.y) ? state.y : names.find((name) => name !== x && !FIRST.includes(name)) ?? names[0]];
}

/** `{run, columns}`: the means of a method's metrics, by name. */
async function columnsOf(store, run, method) {
  const series = await store.series(run, method);
  const more = ['agreement', 'probability'].filter((name) => series?.columns.includes(name));
  const columns = series ? [...metricsOf(series), ...more] : [];
  return { run, columns: new Map(columns.map((name) => [name, meansOf(series, name)])) };
}

/** `{run, columns, values}`: `values` has the lines of the log as well; one with the name of a column has another. */
function coursesOf(store, all) {
  const taken = new Set(all.flatMap(({ columns }) => [...columns.keys()]));
  return all.map(({ run, columns }) => {
    const lines = Object.entries(store.scalars(run)).sort(([a], [b]) => (a < b ? -1 : 1));
    const renamed = lines.map(([name, course]) => [taken.has(name) ? LINE + name : name, course]);
    return { run, columns, values: new Map([...columns, ...renamed]) };
  });
}

const LINE = 'log: ';

/** The name in the log of a line that has another here; null of others. */
const lineOf = (name) => (name.startsWith(LINE) ? name.slice(LINE.length) : null);

const way = (name) => better(lineOf(name) ?? name);

/** A point for each epoch that has both values. */
function pointsOf(store, { run, values }, x, y, step) {
  const known = (name) => (values.get(name) ?? []).filter(([, value]) => value !== null);
  const across = new Map(known(x));
  const both = known(y).filter(([at]) => across.has(at));
  return both.map(([at, up], i) => {
    const title = `${look(store, run).name}, epoch ${at}: ${x} ${number(across.get(at))}, ${y} ${number(up)}`;
    const [first, large] = [i === 0 && both.length > 1, i === both.length - 1];
    return { ...look(store, run), first, step: at, x: across.get(at), y: up, title, large, ring: at === step,
      current: at === step, data: { 'data-step': at } };
  });
}

/** Points than which no other is as good in both metrics and better in one, from left to right. */
export function frontOf(points, wayX, wayY) {
  if (!wayX || !wayY) return [];
  const beats = (a, b) => {
    const [x, y] = [wayX * (a.x - b.x), wayY * (a.y - b.y)];
    return x >= 0 && y >= 0 && (x > 0 || y > 0);
  };
  return points.filter((point) => !points.some((other) => beats(other, point))).sort((a, b) => a.x - b.x || a.y - b.y);
}

/** What models that are hardly trained have little of, as their scores are low. */
const LITTLE = /(^|[_ ])(deletion|sufficiency|completeness|infidelity)$/;

/** Why a first epoch may be on the front; null where none is, or for another reason. */
function hint(points, x, y) {
  const name = [y, x].find((each) => LITTLE.test(each));
  if (!name || !points.some(({ first, front }) => first && front)) return null;
  const words = `A first epoch is on the front. An unsure model has little to lose: read ${name} beside the accuracy.`;
  return el('p', { className: 'faint', textContent: words, 'data-testid': 'hint' });
}

function ways(x, y) {
  const unknown = [x, y].filter((name) => !way(name));
  if (unknown.length) return `No front is drawn: of ${unknown.join(' and ')} it is not known which way is better.`;
  const words = (name) => `${way(name) > 0 ? 'higher' : 'lower'} ${name}`;
  return `Better: ${words(x)} and ${words(y)}. The front joins the points that no other betters in both.`;
}
