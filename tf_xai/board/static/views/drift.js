/** Drift: examples of which the model says the same as an epoch before, for another reason. */

import { grid, lines } from '../charts.js';
import { el, notice, number, slider } from '../dom.js';
import { look, mean, stepNear } from '../metrics.js';
import { headline } from '../parts.js';
import { facts, flips, mark, named } from '../rows.js';
import { worths } from '../scales.js';
import { drawMap, inputOf, leafOf, pictured } from '../thumbs.js';

const MOST = 60; // examples that are drawn
const SIZE = 128; // pixels

export async function draw({ state, store }) {
  const method = state.methodOf(store);
  const runs = await Promise.all(state.runsOf(store).map((run) => load(store, state, run, method)));
  const known = runs.filter((entry) => entry?.series.columns.includes('agreement'));
  if (!known.length) return notice(`No agreement of ${method} with the epoch before: AttributionBoard logs it.`);
  const [charts, list] = [el('div'), el('div', { 'data-testid': 'flipped' })];
  const fill = (threshold) => {
    charts.replaceChildren(chartsOf(store, state, known, threshold));
    const { cards, paint } = cardsOf(state, known, threshold);
    list.replaceChildren(...cards);
    return paint;
  };
  const paint = fill(state.threshold);
  const moved = control(state, (value) => fill(value)());
  const element = el('div', { className: 'drift' }, charts, moved, list);
  element.addEventListener('shown', paint);
  return element;
}

/** A run at the chosen step and the logged one before: null where it has no numbers or no maps. */
async function load(store, state, run, method) {
  const step = state.stepOf(store);
  const parts = [store.series(run, method), store.inputs(run), store.maps(run, method, step)];
  const [series, inputs, now] = await Promise.all(parts);
  if (!series || !inputs) return null;
  const place = series.place(step);
  const before = place > 0 ? await store.maps(run, method, series.steps[place - 1]) : null;
  const at = series.steps[Math.max(0, place)];
  const drawn = await Promise.all([before, now].map((maps) => drawable(store, state, run, method, maps)));
  return { drawn, run, method, series, inputs, place, known: facts(inputs, series, at), ...look(store, run) };
}

/** `{step, map, worth}` of the chosen input; null where there is none. */
async function drawable(store, state, run, method, maps) {
  const map = maps && leafOf(maps.leaves, state.input);
  return map ? { step: maps.step, map, worth: await worths(store, state, run, method, map) } : null;
}

/** What moves the threshold: at once here, and when it is let go in the address. */
function control(state, change) {
  const text = (value) => value.toFixed(2);
  const label = slider('Flipped: agreement below', 'threshold', [-1, 1, 0.05], state.threshold, change, text);
  const input = label.querySelector('input');
  input.dataset.key = input.dataset.arrows = 'threshold';
  input.addEventListener('change', () => state.set({ threshold: +input.value }));
  return el('div', { className: 'toolbar', style: 'margin-top:12px' }, label,
    el('span', { className: 'faint', textContent: 'and the prediction is that of the logged epoch before' }));
}

/** Rows `{row, agreement}` that have flipped since the logged step before. */
function flipped(series, place, threshold) {
  if (place < 1) return [];
  const agreement = series.column('agreement', series.steps[place]);
  const rows = agreement.map((value, row) => ({ row, agreement: value }));
  const apart = flips(series, place, threshold);
  return rows.filter(({ row }) => apart[row]);
}

function chartsOf(store, state, known, threshold) {
  const common = { cursor: state.stepOf(store), onStep: (at) => state.set({ step: stepNear(state, store, at) }) };
  const course = (of) => known.map(({ series, name, colour, dash }) =>
    ({ name, colour, dash, points: series.steps.map((step, place) => [step, of(series, step, place)]) }));
  const share = (series, step, place) => {
    const { count } = mean(series.column('agreement', step));
    return place && count ? flipped(series, place, threshold).length / count : null;
  };
  const means = course((series, step) => mean(series.column('agreement', step)).mean);
  const ends = [means.some(({ points }) => points.some(([, value]) => value < 0)) ? -1 : 0, 1];
  return grid(lines({ title: 'agreement with the epoch before, mean', series: means, ends, ...common }),
    lines({ title: 'share of flipped explanations', series: course(share), ends: [0, 1], ...common }));
}

/** `{cards, paint}`: elements, and what draws their maps once they are in the page. */
function cardsOf(state, known, threshold) {
  const own = (entry) => flipped(entry.series, entry.place, threshold).map((each) => ({ ...each, entry }));
  const all = known.flatMap(own);
  const shown = all.sort((a, b) => a.agreement - b.agreement).slice(0, MOST);
  const drawn = shown.map((each) => card(state, each));
  const list = el('ul', { style: 'display:flex;flex-wrap:wrap;gap:12px 24px;margin:8px 0;padding:0;list-style:none' },
    ...drawn.map(({ element }) => element));
  const words = el('p', { role: 'status', textContent: summary(known, all.length, shown.length, threshold) });
  return { cards: [words, list], paint: () => drawn.forEach(({ paint }) => paint()) };
}

function summary(known, count, shown, threshold) {
  const [below, since] = [`an agreement below ${number(threshold)}`, 'since the logged epoch before'];
  if (known.every(({ place }) => place < 1)) return 'This is the first logged epoch: choose a later one to compare.';
  if (!count) return `Nothing has flipped ${since}: where the prediction stayed, no explanation has ${below}.`;
  const more = count > shown ? `; the ${shown} of lowest agreement are shown` : '';
  return `${count} ${count > 1 ? 'explanations have' : 'explanation has'} flipped ${since}${more}.`;
}

/** An example: its maps before and after, with what was predicted. */
function card(state, { row, agreement, entry }) {
  const { name, inputs, known } = entry;
  const said = el('div', {}, el('b', { textContent: name }), ` agreement ${number(agreement)}`);
  const maps = entry.drawn.map((each) => drawing(state, entry, each, row));
  const { right, prediction, probability } = known[row];
  const marks = { 'data-testid': 'flip', 'data-run': entry.run, 'data-example': row, 'data-agreement': agreement };
  const element = el('li', marks, said, el('div', { textContent: headline(inputs, row) }),
    input(leafOf(inputs.leaves, state.input), row),
    el('div', { style: 'display:flex;gap:8px' }, ...maps.map((each) => each.element)),
    el('div', { className: right === null ? '' : right ? 'verdict-right' : 'verdict-wrong',
      textContent: probability === undefined ? '' : `both ${mark(right)} ${named(prediction, inputs.classes)}` }));
  return { element, paint: () => maps.forEach((each) => each.paint()) };
}

/** A text or a signal; images lie under their maps, and of tables the maps say more. */
function input(leaf, row) {
  if (leaf.kind === 'image' || leaf.kind === 'table') return null;
  const element = inputOf(leaf, row);
  element.style.cssText = `display:block;width:${2 * SIZE + 8}px;${leaf.kind === 'text' ? '' : 'height:40px'}`;
  return element;
}

function drawing(state, { run, method, inputs, series }, drawn, row) {
  if (!drawn) return { element: el('span', { className: 'faint', textContent: 'no map' }), paint: () => {} };
  const { map, step, worth } = drawn;
  const base = inputs.leaves.find(({ name }) => name === (map.of ?? map.name));
  const canvas = el('canvas', { role: 'img', 'aria-label': `Attributions of example ${row} at epoch ${step}`,
    'data-testid': 'map', 'data-run': run, 'data-step': step, 'data-method': method, 'data-example': row,
    style: `width:${SIZE}px;height:${pictured(map) ? SIZE : 40}px` });
  const sure = series.columns.includes('probability') ? 'probability' : 'prediction';
  const said = `epoch ${step}, ${sure} ${number(series.column(sure, step)?.[row], 2)}`;
  const caption = el('figcaption', { className: 'faint', textContent: said });
  const element = el('figure', { style: `width:${SIZE}px` }, canvas, caption);
  return { element, paint: () => drawMap(canvas, base, map, row, worth[row], state) };
}
