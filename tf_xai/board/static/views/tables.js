/** Tables: which features have the say, and how it goes with their values. */

import { domain, finite, line, ticks, tone, written } from '../axes.js';
import { css } from '../colours.js';
import { el, notice, number, svg } from '../dom.js';
import { look } from '../metrics.js';
import { fitting, instead } from '../parts.js';
import { values } from '../scales.js';
import { table } from '../sortable.js';

const MOST = 15; // features with a row of their own
const LISTED = 200; // features in the table
const [WIDTH, ROW] = [560, 18];
const GRID = 'display:grid;grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr));gap:8px 24px';
const ROOM = { left: 150, right: 50, top: 4, bottom: 20 };

export async function draw({ state, store }) {
  const found = await fitting(store, state, ({ kind }) => kind === 'table');
  if (!found.length) return notice('No attributions of a table in the chosen runs: choose others above.');
  const entries = found.map((entry) => summary(store, entry));
  const names = ranked(entries);
  const [top, others] = [names.slice(0, MOST), names.slice(MOST)];
  const bars = entries.map((entry) => top.map(entry.of));
  const across = domain([0, ...bars.flat().flatMap((each) => [each.size, each.signed])], 0.03);
  const along = spread(entries, top);
  const panels = entries.map((entry, i) => el('section', { 'aria-label': entry.title },
    el('h2', { textContent: `${entry.title}, epoch ${entry.step}` }),
    el('div', { style: GRID }, barChart(entry, top, bars[i], across), swarm(entry, top, along)),
    rest(entry, others)));
  return el('div', { className: 'tables' }, instead(store, state, found[0].method, 'table'),
    el('div', { style: GRID }, ...panels), scaleKey(), list(entries, names));
}

/** What the features without a row have together: among the bars it would make all others short. */
function rest({ of }, others) {
  if (!others.length) return null;
  const sum = others.reduce((total, name) => total + of(name).size, 0);
  const words = `The other ${others.length} features together: ${number(sum)}`;
  return el('p', { className: 'faint', textContent: words, 'data-testid': 'others' });
}

/**
 * A word of its own for every feature: its name, its number where it has none, and both where several have the name.
 */
export function labelsOf(names, count) {
  const own = Array.from({ length: count }, (_, place) => String(names?.[place] ?? place));
  const several = new Set(own.filter((name, place) => own.indexOf(name) !== place));
  return own.map((name, place) => (several.has(name) ? `${name} (${place})` : name));
}

/** The features of a run: `columns` of `{value, attribution}` by label, and `of`, the means of one. */
function summary(store, { run, title, step, leaves: [map], inputs }) {
  const base = inputs.leaves.find(({ name }) => name === map.name);
  const [n, count] = map.shape;
  const rows = Array.from({ length: n }, (_, row) => values(map, row));
  const columns = new Map(labelsOf(base.names, count).map((label, j) => [label,
    rows.map((own, row) => ({ row, attribution: own[j], value: base.data[row * count + j] }))]));
  const of = (name) => {
    const known = (columns.get(name) ?? []).map(({ attribution }) => attribution).filter(finite);
    const mean = (all) => all.reduce((sum, each) => sum + each, 0) / Math.max(1, all.length);
    return { size: mean(known.map(Math.abs)), signed: mean(known) };
  };
  return { run, title, step, columns, of, ...look(store, run) };
}

/** All features, the largest mean magnitude of all runs first. */
function ranked(entries) {
  const names = [...new Set(entries.flatMap(({ columns }) => [...columns.keys()]))];
  const size = new Map(names.map((name) => [name, entries.reduce((sum, entry) => sum + entry.of(name).size, 0)]));
  return names.sort((a, b) => size.get(b) - size.get(a));
}

const spread = (entries, names) => domain([0, ...entries.flatMap(({ columns }) =>
  names.flatMap((name) => (columns.get(name) ?? []).map(({ attribution }) => attribution)).filter(finite))], 0.03);

/** Rows with the names of the features, over an axis. */
function panel(label, names, [low, high], unit) {
  const [right, bottom] = [WIDTH - ROOM.right, ROOM.top + ROW * names.length];
  const x = (value) => +(ROOM.left + ((value - low) / (high - low)) * (right - ROOM.left)).toFixed(2);
  const y = (i) => ROOM.top + ROW * (i + 0.5);
  const root = svg('svg', { viewBox: `0 0 ${WIDTH} ${bottom + ROOM.bottom + 14}`, role: 'img', 'aria-label': label,
    style: 'display:block;width:100%;height:auto' });
  for (const at of ticks(low, high, 5)) {
    root.append(line(x(at), ROOM.top, x(at), bottom), text(written(at), x(at), bottom + 14, 'middle',
      { 'data-tick': 'x', 'data-value': at, 'data-at': x(at) }));
  }
  root.append(line(x(0), ROOM.top, x(0), bottom, { 'stroke-opacity': 0.7 }), text(unit, right, bottom + 30, 'end'));
  root.append(...names.map((name, i) => text(short(name), ROOM.left - 6, y(i) + 4, 'end', {}, name)));
  return { root, x, y };
}

const text = (words, x, y, anchor, more = {}, title = words) => {
  const element = svg('text', { x, y, 'text-anchor': anchor, 'font-size': 11, fill: 'currentColor', ...more }, words);
  if (title !== words) element.append(svg('title', {}, title));
  return element;
};

const short = (name) => (name.length > 20 ? `${name.slice(0, 19)}…` : name);

/** A bar for the mean magnitude, and a mark at the signed mean. */
function barChart({ title, colour }, names, bars, across) {
  const told = names.slice(0, 3).map((name, i) => `${name} ${number(bars[i].size)}`).join(', ');
  const { root, x, y } = panel(`Mean magnitude of the attributions, ${title}: ${told}, and so on.`, names, across,
    'mean attribution');
  root.dataset.testid = 'bars';
  const wide = (size) => +Math.max(0, x(size) - x(0)).toFixed(2);
  bars.forEach(({ size, signed }, i) => {
    const title = () => svg('title', {}, `${names[i]}: mean magnitude ${number(size)}, mean ${number(signed)}`);
    const marks = (id, value) => ({ 'data-testid': id, 'data-feature': names[i], 'data-value': value });
    const bar = { x: x(0), y: y(i) - 6, width: wide(size), height: 12, fill: tone(colour), 'fill-opacity': 0.75 };
    const diamond = { d: `M${x(signed)} ${y(i) - 5}l4 5l-4 5l-4 -5Z`, fill: 'var(--page, Canvas)',
      stroke: 'currentColor', 'stroke-width': 1.5 };
    root.append(svg('rect', { ...bar, ...marks('bar', size) }, title()),
      svg('path', { ...diamond, ...marks('mean', signed) }, title()), text(number(size), WIDTH - 2, y(i) + 4, 'end'));
  });
  return el('figure', { style: 'min-width:0' },
    el('figcaption', { textContent: 'Mean magnitude (bar), with the signed mean (◇)' }), root);
}

/** A dot for every example. */
function swarm({ title, columns }, names, along) {
  const label = `Attributions of every example by feature, ${title}; their means stand in the table below.`;
  const { root, x, y } = panel(label, names, along, 'attribution');
  root.dataset.testid = 'swarm';
  names.forEach((name, i) => root.append(...dots(name, columns.get(name) ?? [], x, y(i))));
  return el('figure', { style: 'min-width:0' },
    el('figcaption', { textContent: 'Every example, colored by the value of the feature' }), root);
}

function dots(name, column, x, y) {
  const known = column.filter(({ attribution }) => finite(attribution));
  const share = shares(column.map(({ value }) => value).filter(finite));
  const lifts = jitter(known.map(({ attribution }) => x(attribution)));
  return known.map(({ row, attribution, value }, i) => {
    const place = { cx: x(attribution), cy: +(y + lifts[i]).toFixed(2), r: 2.4 };
    const fill = finite(value) ? css(share(value), 'viridis') : '#888888';
    const marks = { 'data-testid': 'dot', 'data-feature': name, 'data-example': row, 'data-value': attribution };
    const said = `Example ${row}: ${name} ${number(value)}, attribution ${number(attribution)}`;
    return svg('circle', { ...place, ...marks, fill, ...EDGE }, svg('title', {}, said));
  });
}

const EDGE = { stroke: 'currentColor', 'stroke-width': 0.5, 'stroke-opacity': 0.8 };

/** Where a value lies between the low and the high ones, outliers aside. */
function shares(all) {
  const sorted = [...all].sort((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const [low, high] = [at(0.05), at(0.95)];
  return (value) => (high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5);
}

/** Up and down from the middle, the more of them the denser the dots are. */
export function jitter(places, width = 3, most = ROW / 2 - 2) {
  const bins = new Map();
  places.forEach((place, i) => {
    const bin = Math.round(place / width);
    bins.set(bin, [...(bins.get(bin) ?? []), i]);
  });
  const lifts = new Array(places.length).fill(0);
  for (const bin of bins.values()) {
    const step = Math.min(3.2, most / Math.ceil(bin.length / 2));
    bin.forEach((i, k) => (lifts[i] = (k % 2 ? 1 : -1) * Math.ceil(k / 2) * step));
  }
  return lifts;
}

function scaleKey() {
  const part = (i) => svg('rect', { x: 3 * i, width: 3.5, height: 12, fill: css(i / 39, 'viridis') });
  const look = { viewBox: '0 0 120 12', width: 120, height: 12, 'aria-hidden': true, style: 'vertical-align:-1px' };
  return el('p', { className: 'faint' }, 'Dots, value of the feature: low ',
    svg('svg', look, ...Array.from({ length: 40 }, (_, i) => part(i))),
    ' high; gray where there is none. The order is that of the mean magnitude over the runs.');
}

/** The same in numbers. */
function list(entries, names) {
  const rows = names.slice(0, LISTED).map((name) => ({ name, known: entries.map((entry) => entry.of(name)) }));
  const columns = entries.flatMap(({ title }, i) => [
    { name: `${title}: magnitude`, value: ({ known }) => known[i].size },
    { name: `${title}: mean`, value: ({ known }) => known[i].signed },
  ]);
  const caption = names.length > LISTED ? `The first ${LISTED} of ${names.length} features` : 'The features';
  return table('features', caption, [{ name: 'feature', value: ({ name }) => name }, ...columns], rows);
}
