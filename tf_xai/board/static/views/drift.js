/** Drift: examples of which the model says the same as an epoch before, for another reason. */

import { grid, lines } from '../charts.js';
import { el, notice, number, slider } from '../dom.js';
import { look, mean, stays, stepNear } from '../metrics.js';
import { headline } from '../parts.js';
import { facts, mark, named } from '../rows.js';
import { strength } from '../scales.js';
import { drawMap, inputOf, leafOf, pictured } from '../thumbs.js';

const MOST = 60; // examples that are drawn
const SIZE = 128; // pixels

export async function draw({ state, store }) {
  const method = state.methodOf(store);
  const runs = await Promise.all(state.runsOf(store).map((run) => load(store, state, run, method)));
  const known = runs.filter((entry) => entry?.series.columns.includes('agreement'));
  if (!known.length) return notice(`No agreement of ${method} with the epoch before: AttributionBoard logs it.`);
  const [charts, list] = [el('div'), el('div', { 'data-testid': 'flipped' })];
  let asked = null;
  const fill = async (threshold) => {
    asked = threshold;
    charts.replaceChildren(chartsOf(store, state, known, threshold));
    const { cards, paint } = await cardsOf(store, state, known, threshold);
    if (asked !== threshold) return () => {};
    list.replaceChildren(...cards);
    return paint;
  };
  const paint = await fill(state.threshold);
  const moved = control(state, async (value) => (await fill(value))());
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
  return { run, method, series, inputs, now, before, place, known: facts(inputs, series, at), ...look(store, run) };
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
  const same = stays(series, place);
  const rows = agreement.map((value, row) => ({ row, agreement: value }));
  return rows.filter((each) => each.agreement < threshold && same[each.row]);
}

function chartsOf(store, state, known, threshold) {
  const common = { cursor: state.stepOf(store), onStep: (at) => state.set({ step: stepNear(state, store, at) }) };
  const course = (of) => known.map(({ series, name, colour, dash }) =>
    ({ name, colour, dash, points: series.steps.map((step, place) => [step, of(series, step, place)]) }));
  const share = (series, step, place) => {
    const { count } = mean(series.column('agreement', step));
    return place && count ? flipped(series, place, threshold).length / count : null;
  };
  const agreement = (series, step) => mean(series.column('agreement', step)).mean;
  return grid(lines({ title: 'agreement with the epoch before, mean', series: course(agreement), ...common }),
    lines({ title: 'share of flipped explanations', series: course(share), ...common }));
}

/** `{cards, paint}`: elements, and what draws their maps once they are in the page. */
async function cardsOf(store, state, known, threshold) {
  const own = (entry) => flipped(entry.series, entry.place, threshold).map((each) => ({ ...each, entry }));
  const all = known.flatMap(own);
  const shown = all.sort((a, b) => a.agreement - b.agreement).slice(0, MOST);
  const drawn = await Promise.all(shown.map((each) => card(store, state, each)));
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
async function card(store, state, { row, agreement, entry }) {
  const { name, inputs, before, now, known } = entry;
  const said = el('div', {}, el('b', { textContent: name }), ` agreement ${number(agreement)}`);
  const maps = await Promise.all([before, now].map((each) => drawing(store, state, entry, each, row)));
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

async function drawing(store, state, { run, method, inputs, series }, maps, row) {
  const map = maps && leafOf(maps.leaves, state.input);
  if (!map) return { element: el('span', { className: 'faint', textContent: 'no map' }), paint: () => {} };
  const worth = await strength(store, state, run, method, map, row);
  const base = inputs.leaves.find(({ name }) => name === (map.of ?? map.name));
  const canvas = el('canvas', { role: 'img', 'aria-label': `Attributions of example ${row} at epoch ${maps.step}`,
    'data-testid': 'map', 'data-run': run, 'data-step': maps.step, 'data-method': method, 'data-example': row,
    style: `width:${SIZE}px;height:${pictured(map) ? SIZE : 40}px` });
  const sure = series.columns.includes('probability') ? 'probability' : 'prediction';
  const said = `epoch ${maps.step}, ${sure} ${number(series.column(sure, maps.step)?.[row], 2)}`;
  const caption = el('figcaption', { className: 'faint', textContent: said });
  const element = el('figure', { style: `width:${SIZE}px` }, canvas, caption);
  return { element, paint: () => drawMap(canvas, base, map, row, worth, state) };
}
