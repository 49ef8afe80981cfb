/** One example, large: two runs, epochs or methods side by side, their difference, values, and curves of fidelity. */

import { alike, basisOf, caption, load, mapCanvas } from '../cells.js';
import { grid, lines } from '../charts.js';
import { DASHES, RUNS } from '../colours.js';
import { choice, el, notice, number } from '../dom.js';
import { reader } from '../reader.js';
import { chosen, named } from '../rows.js';
import { codes, full } from '../scales.js';
import { drawMap, inputOf, pictured } from '../thumbs.js';

const NONE = -128; // the code of what is no number
const WHOLE = 'full color at a difference of the whole scale';
const HALF = 2 / 127; // what a code of a difference is worth: it goes from -2 to 2, of which 1 has full color

export async function draw({ state, store }) {
  const [runs, method] = [state.runsOf(store), state.methodOf(store)];
  const run = runs.find((each) => store.steps([each], method).length) ?? runs[0];
  const own = { run, method, step: state.stepOf(store) };
  const others = rivals(own, state, store);
  const other = others.find(({ key }) => key === state.other) ?? others[0];
  const called = (side, rival) => ({ ...side, title: title(side, rival, store) });
  const pair = other ? [called(own, other), called(other, own)] : [own];
  const loaded = (await Promise.all(pair.map((side) => load(side, state, store)))).filter(({ inputs }) => inputs);
  if (!loaded.length) return notice('The examples of the chosen runs cannot be read. Choose another run above.');
  const sides = [...loaded].sort((a, b) => a.step - b.step); // what is earlier stands on the left
  const basis = basisOf(loaded, state, store);
  sides.forEach((side) => (side.foreign = !alike(basis.inputs, side.inputs)));
  const row = Math.max(0, Math.min(basis.inputs.n - 1, state.example));
  const drawn = sides.filter(({ map, worth }) => map && row < worth.length);
  const none = drawn.length ? null : notice('There is no map of this example at this epoch. Choose a later one above.');
  const figures = none ?? compare(drawn, row, state);
  const element = el('div', { className: 'detail' }, toolbar(basis, others, other, row, state), figures,
    await curves(sides, store, row));
  element.addEventListener('shown', () => figures.paint?.());
  return element;
}

/** What can stand on the right: `[{key, text, run, method, step}]`, the likeliest first. */
function rivals(own, state, store) {
  const shown = state.runsOf(store);
  const drawn = (run) => run !== own.run && store.index.runs[run].inputs && store.steps([run], own.method).length;
  const runs = [...shown, ...store.runs.filter((run) => !shown.includes(run))].filter(drawn);
  const entry = (kind, value, text) => ({ ...own, [kind]: value, key: `${kind}:${value}`, text });
  const steps = store.steps([own.run], own.method).filter((step) => step !== own.step);
  const methods = store.methods([own.run]).filter((name) => name !== own.method);
  const listed = runs.map((run) => entry('run', run, `run ${store.index.runs[run].title}`));
  return [
    ...listed.filter(({ run }) => shown.includes(run)),
    ...steps.map((step) => entry('step', step, `epoch ${step}`)),
    ...methods.map((name) => entry('method', name, name)),
    ...listed.filter(({ run }) => !shown.includes(run)),
  ];
}

/** What tells a side from the other one. */
function title({ run, method, step }, other, store) {
  if (run !== other.run) return store.index.runs[run].title;
  return step === other.step ? method : `epoch ${step}`;
}

function toolbar(basis, others, other, row, state) {
  const order = chosen([...basis.known], basis.names[0], state).map((fact) => fact.row);
  const at = order.indexOf(row);
  const go = (text, place, key) =>
    el('button', { className: 'plain', textContent: text, disabled: order[place] === undefined, 'data-key': key,
      'data-testid': key, onclick: () => state.set({ example: order[place] }) });
  const label = named(basis.known[row]?.label, basis.inputs.classes);
  const place = at < 0 ? 'not among those that the filter shows' : `${at + 1} of ${order.length}`;
  const choices = others.map(({ key, text }) => [key, text]);
  const rival = other && choice('Compare with', 'other', choices, other.key, (key) => state.set({ other: key }));
  if (rival) rival.querySelector('select').dataset.key = 'other';
  const heading = el('h2', { textContent: label === '' ? `#${row}` : `#${row}, label ${label}` });
  return el('div', { className: 'toolbar' },
    go('‹ previous', at - 1, 'previous'), go('next ›', at + 1, 'next'), heading,
    el('span', { className: 'faint', textContent: place }), rival);
}

/** The input, the maps of the sides, and their difference; `paint` is a property of the element. */
function compare(sides, row, state) {
  const [left, right] = sides;
  const worths = commonWorths(sides, row, state.scale);
  const maps = sides.map((side) => mapCanvas(side, row));
  const apart = right && !unlike(left, right)
    ? mapCanvas({ ...right, known: [], title: `${right.title} minus ${left.title}` }, row)
    : null;
  const read = reader([...maps, apart].filter(Boolean), sides, row);
  const size = { className: pictured(left.map) ? '' : 'low' };
  const frame = (name, drawing, ...under) =>
    el('figure', size, el('h3', { textContent: name }), read.frame(drawing), ...under);
  const ends = sides.map(({ map }, i) => full(map, row, worths[i]));
  const largest = Math.max(...ends);
  const most = largest && state.scale === 'map' ? WHOLE : largest;
  const under = (side, i) => [caption(row, side, 9), asCaption(ends[i])];
  const element = el('div', {}, el('div', { className: 'sides' },
    frame('Input', inputOf(left.base, row)),
    right && !alike(left.inputs, right.inputs) ? frame(`Input of ${right.title}`, inputOf(right.base, row)) : null,
    ...sides.map((side, i) => frame(side.title ?? side.method, maps[i], ...under(side, i))),
    apart ? frame(`${right.title} − ${left.title}`, apart, asCaption(most)) : null,
    right && !apart ? el('p', { className: 'notice', textContent: unlike(left, right) }) : null), read.element);
  element.paint = () => {
    sides.forEach(({ base, map }, i) => drawMap(maps[i], base, map, row, worths[i], state));
    if (apart) drawMap(apart, left.base, left.map, row, HALF, state, difference(sides, row, worths));
  };
  return element;
}

/** What stands below a map: words, or the value of full color. */
function asCaption(value) {
  const text = typeof value === 'string' ? value : value ? `full color at ${number(value)}` : 'no values';
  return el('span', { className: 'caption faint', textContent: text });
}

/** Why two sides have no difference, in words; null where they have one. */
function unlike(...sides) {
  const [left, right] = sides.map(({ map }) => map.shape.slice(1).join(' × '));
  if (left !== right) return `${NO_DIFFERENCE} the maps have different shapes, ${left} and ${right}.`;
  return alike(...sides.map(({ inputs }) => inputs)) ? null : `${NO_DIFFERENCE} the runs show other examples.`;
}

const NO_DIFFERENCE = 'There is no difference to draw:';

/** What codes are worth on the larger scale of the sides, so that equal colors are equal values; or on their own. */
function commonWorths(sides, row, scale) {
  if (scale === 'map') return sides.map(({ worth }) => worth[row]);
  const most = Math.max(...sides.map(({ map, worth }) => full(map, row, worth[row])));
  return sides.map(({ map }) => (most && map.scale[row] ? map.scale[row] / 127 / most : 0));
}

/** Codes, worth HALF each, of the right side minus the left one. */
function difference(sides, row, [before, after]) {
  const [left, right] = sides.map(({ map }) => codes(map, row));
  const of = (a, b) => Math.max(-127, Math.min(127, Math.round((b * after - a * before) / HALF)));
  return Int8Array.from(left, (code, i) => (code === NONE || right[i] === NONE ? NONE : of(code, right[i])));
}

/** A chart for every curve that a side has, with the random control. */
async function curves(sides, store, row) {
  const drawn = sides.map((side, i) => ({ ...side, colour: RUNS[i], dash: DASHES[i] }));
  const controls = await Promise.all(unique(sides).map((side, i) => control(side, store, RANDOM[i])));
  const read = (all) => all.filter((side) => side?.series)
    .map((each) => ({ ...each, courses: each.series.curves(each.step, row) }));
  const own = read(drawn).filter(({ courses }) => Object.keys(courses).length);
  const methods = [...new Set(sides.map(({ method }) => method))].join(' and ');
  if (!own.length) return notice(`No curves are logged of ${methods}.`);
  const all = [...own, ...read(controls)];
  const names = [...new Set(own.flatMap(({ courses }) => Object.keys(courses)))];
  return grid(...names.map((name) => chart(name, all.filter(({ courses }) => courses[name]))));
}

/** Lines of random attributions, of the first side and of the second. */
const RANDOM = [{ colour: '#5b5b5b', dash: '2 3' }, { colour: '#8a6d00', dash: '9 3 2 3' }];

/** One side for every run and step. */
function unique(sides) {
  const first = ({ run, step }) => sides.find((each) => each.run === run && each.step === step);
  return sides.filter((side) => first(side) === side);
}

async function control({ run, step, title: name }, store, look) {
  const methods = Object.entries(store.index.runs[run].methods);
  const method = methods.find(([, entry]) => entry.control && entry.curves.length)?.[0];
  const series = method && (await store.series(run, method));
  return series && { series, step, title: name ? `${method} (${name})` : method, ...look };
}

/** The share that is nearest to one half. */
const middle = (shares) => shares.reduce((best, at) => (Math.abs(at - 0.5) < Math.abs(best - 0.5) ? at : best));

const VERBS = { deletion: 'taken away', insertion: 'put back' };

function chart(name, sides) {
  const series = sides.map(({ title: text, method, colour, dash, series: { shares }, courses }) => ({
    name: text ?? method, colour, dash, points: courses[name].map((value, i) => [shares[i], value]) }));
  const cursor = middle(sides[0].series.shares); // at the ends the lines say nothing of the order
  return lines({ cursor, title: name, xLabel: `share ${VERBS[name] ?? 'of the features'}`, yLabel: 'score', series });
}
