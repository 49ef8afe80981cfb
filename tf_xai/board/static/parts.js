/** What the views of texts, attention and signals share: maps of a kind, what the model says, controls. */

import { choice, el, notice, number, tick } from './dom.js';
import { chosen, facts, mark, metrics, named } from './rows.js';

/**
 * The maps that a view is for.
 *
 * @param wanted Says whether a leaf of maps is one.
 * @param methods The first of these that has such maps in a chosen run is taken; by default the chosen, then others.
 * @param step By default the chosen one; a run without it has the last one before.
 * @returns A list of `{run, title, method, step, leaves, inputs, series, known}`, one for every chosen run that has
 *   such maps: leaves of the chosen input alone, where it has some; `known` are the facts of rows.js.
 */
export async function fitting(store, state, wanted, methods = candidates(store, state), step = state.stepOf(store)) {
  for (const method of methods) {
    const all = await Promise.all(state.runsOf(store).map((run) => one(store, state, wanted, run, method, step)));
    const found = all.filter((entry) => entry?.leaves.length);
    if (found.length) return found;
  }
  return [];
}

const candidates = (store, state) => new Set([state.methodOf(store), ...store.methods(state.runsOf(store))]);

async function one(store, state, wanted, run, method, step) {
  const [known, inputs, series] = await Promise.all([
    store.maps(run, method, step),
    store.inputs(run),
    store.series(run, method),
  ]);
  if (!known || !inputs) return null;
  const fit = known.leaves.filter(wanted);
  const chosen = fit.filter(({ name, of }) => (of ?? name) === state.input);
  const leaves = chosen.length ? chosen : fit;
  const { title } = store.index.runs[run];
  const about = facts(inputs, series, known.step, state.threshold);
  return { run, title, method, step: known.step, leaves, inputs, series, known: about };
}

/** Some of the steps, closer together at first, with the first and the last. */
export function film(steps, most = 8) {
  const places = Array.from({ length: most }, (_, i) => Math.round(steps.length ** (i / (most - 1))) - 1);
  return steps.length <= most ? steps : [...new Set(places)].map((at) => steps[at]);
}

/** What the model says of an example: `{text, right}`; `right` is null where nothing is right or wrong. */
export function verdict({ inputs, known }, row) {
  const { prediction, probability, right } = known[row] ?? {};
  if (!Number.isFinite(prediction)) return { text: '', right: null };
  if (probability === undefined) return { text: `predicts ${number(prediction)}`, right: null };
  return { text: `${mark(right)} ${named(prediction, inputs.classes)} ${number(probability, 2)}`.trim(), right };
}

/** "Example 3, label positive", by the examples of a run. */
export const headline = ({ labels, classes }, row) =>
  `Example ${row}${labels && row in labels ? `, label ${named(labels[row], classes)}` : ''}`;

/** Of entries of `fitting`, the one with the most examples, the first of such. */
export const richest = (entries) =>
  entries.reduce((most, each) => (each.inputs.n > most.inputs.n ? each : most));

/** Says that an entry of `fitting` has no such example; null where it has, in its inputs as in all of its maps. */
export const lacking = ({ inputs, leaves }, row) =>
  row < inputs.n && leaves.every(({ shape: [n] }) => row < n) ? null : notice(`This run has no example ${row}.`);

/** Who a line is of: a run, and what it predicts. */
export function who(title, { text, right }) {
  const kind = right === null ? 'faint' : right ? 'verdict-right' : 'verdict-wrong';
  const said = el('span', { className: kind, textContent: text });
  return el('div', { className: 'who' }, el('strong', { textContent: title }), said);
}

/** Says that the maps shown are of another method than the chosen one; null where they are not. */
export const instead = (store, state, method, what) =>
  method === state.methodOf(store)
    ? null
    : el('p', { className: 'faint', textContent: `${state.methodOf(store)} has no ${what}; these are of ${method}.` });

/** A choice of the state's, which keeps the focus when the view is drawn anew. */
export const pick = (state, label, name, options, value = state[name]) =>
  kept(choice(label, name, options, value, (chosen) => state.set({ [name]: chosen })), name);

/** A box to tick that stands for one of two words. */
export const toggle = (state, label, name, [off, on]) =>
  kept(tick(label, name, state[name] === on, (ticked) => state.set({ [name]: ticked ? on : off })), name);

function kept(label, key) {
  label.querySelector('select, input').dataset.key = key;
  return label;
}

/** The rows of the examples that the bar shows, in its order, by what holds in the first of the richest runs. */
export function rows(entries, state) {
  const { known, series } = richest(entries);
  return chosen([...known], metrics(series)[0], state).map(({ row }) => row);
}

/** The row of the chosen example, or the last that any of the runs has. */
export const within = ({ example }, entries) => Math.max(0, Math.min(richest(entries).inputs.n - 1, example));

/** To the example before and after, in the order of the bar. */
export function pager(runs, state) {
  const order = rows(runs, state);
  const place = order.indexOf(within(state, runs));
  const button = (text, to, name) => el('button', {
    className: 'plain', textContent: text, disabled: to === undefined, 'data-key': name, 'data-testid': name,
    onclick: () => state.set({ example: to }),
  });
  return [button('‹ previous', order[place - 1], 'previous'), button('next ›', order[place + 1], 'next')];
}

/** Where the value that is pointed at stands. */
export const readout = (text) =>
  el('p', { className: 'readout', textContent: text, 'aria-live': 'polite', 'data-testid': 'readout' });

const SLICE = 12; // milliseconds of drawing at a time, so that the page still answers

/** Draws `[[element, draw], ...]`: what is in view at once, then the rest, as long as it is in the page. */
export function inSlices(parts) {
  const tops = parts.map(([element]) => element.getBoundingClientRect().top);
  const near = parts.filter((_, i) => tops[i] < window.innerHeight && (tops[i + 1] ?? Infinity) > 0);
  near.forEach(([, draw]) => draw());
  const rest = parts.filter((part) => !near.includes(part));
  const more = () => {
    const until = performance.now() + SLICE;
    while (rest.length && rest[0][0].isConnected && performance.now() < until) rest.shift()[1]();
    if (rest.length && rest[0][0].isConnected) setTimeout(more);
  };
  setTimeout(more);
}
