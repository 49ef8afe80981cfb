/** Charts in SVG: lines over the epochs, and points of one value against another. */

import { OUTLINES, ROOM, axes, finite, line, tone } from './axes.js';
import { el, number, svg } from './dom.js';

const unique = (values) => [...new Set(values)].sort((a, b) => (a < b ? -1 : 1));

/** Pieces of a course between the places where there is no value. */
function pieces(points, known) {
  const parts = [[]];
  for (const point of points) {
    if (known(point)) parts[parts.length - 1].push(point);
    else parts.push([]);
  }
  return parts.filter((part) => part.length);
}

const path = (points) => points.map(([x, y], i) => `${i ? 'L' : 'M'}${x} ${y}`).join('');

function drawLine({ name, points, colour, dash, width = 2, mark = 'full', band = [] }, { x, y }) {
  const shapes = pieces(band, ([, low]) => finite(low)).map((part) => {
    const [upper, lower] = [part.map(([at, , high]) => [x(at), y(high)]), part.map(([at, low]) => [x(at), y(low)])];
    const wide = part.length > 1 ? [...upper, ...lower.reverse()] : bar(upper[0], lower[0]);
    return svg('path', { d: `${path(wide)}Z`, fill: colour, 'fill-opacity': 0.18, 'data-testid': 'band',
      'data-series': name });
  });
  const parts = pieces(points, ([, value]) => finite(value));
  const d = parts.map((part) => path(part.map(([at, value]) => [x(at), y(value)]))).join('');
  shapes.push(svg('path', { d, fill: 'none', stroke: colour, 'stroke-width': width, 'stroke-dasharray': dash || 'none',
    'data-testid': 'line', 'data-series': name }));
  const shown = mark && points.length <= 40 ? parts : parts.filter((part) => part.length === 1);
  for (const [at, value] of shown.flat()) {
    shapes.push(svg('circle', { cx: x(at), cy: y(value), r: 2.5, stroke: colour,
      fill: filling(mark, colour), 'data-testid': 'mark', 'data-series': name,
      'data-x': at, 'data-y': value }));
  }
  return shapes;
}

const bar = ([x, high], [, low]) => [[x - 4, high], [x + 4, high], [x + 4, low], [x - 4, low]];

/** What a line looks like, with dash and mark, beside its name. */
function key({ name, colour, dash, width = 2, mark = 'full', band }) {
  const shapes = band ? [svg('rect', { width: 30, height: 12, fill: colour, 'fill-opacity': 0.18 })] : [];
  shapes.push(svg('line', { x1: 0, x2: 30, y1: 6, y2: 6, stroke: colour, 'stroke-width': width,
    'stroke-dasharray': dash || 'none' }));
  if (mark) shapes.push(svg('circle', { cx: 15, cy: 6, r: 2.5, stroke: colour, fill: filling(mark, colour) }));
  return entry(name, ...shapes);
}

const filling = (mark, colour) => (mark === 'full' ? colour : 'var(--page, Canvas)');

/** A key: how it is drawn, its name, and the value that is read. */
const entry = (name, ...shapes) => el('li', { style: 'display:inline-flex;align-items:center;gap:.35em' },
  svg('svg', { viewBox: '0 0 30 12', width: 30, height: 12, 'aria-hidden': true }, ...shapes),
  el('span', { textContent: name }), el('b', { style: 'font-variant-numeric:tabular-nums' }));

/** A chart with its title, its keys, and where it says what is read: `at` to see, `said` to hear. */
function figure(title, root, keys) {
  const at = el('span', { className: 'faint', style: 'margin-left:1em', 'aria-hidden': true });
  const said = el('output', { 'data-testid': 'readout', style: UNSEEN });
  const list = el('ul', { className: 'keys', style: KEYS }, ...keys);
  const caption = el('figcaption', {}, el('b', { textContent: title }), at);
  const style = 'min-width:0;max-width:640px;position:relative';
  const element = el('figure', { className: 'chart', style }, caption, root, list, said);
  return { element, at, said, shown: keys.map((each) => each.lastChild) };
}

const KEYS = 'display:flex;flex-wrap:wrap;gap:.1em 1em;margin:.2em 0 0;padding:0;list-style:none';
const UNSEEN = 'position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)';
const CURSOR = { 'stroke-opacity': 0.7, 'data-testid': 'cursor' };

/** Charts side by side, as many as there is room for. */
export const grid = (...charts) => el('div', { className: 'charts',
  style: 'display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:16px 24px' }, ...charts);

/**
 * Lines over the epochs.
 *
 * @param chart `{title, xLabel, yLabel, series, ends, cursor, onStep}`. A series is `{name, points: [[x, y or null]],
 *   colour, dash, width, mark: 'full', 'hollow' or null, band: [[x, low, high]]}`; `ends`, of the upright axis, are
 *   by default those of the values with some air; `onStep` hears of the x that is chosen.
 */
export function lines({ title, xLabel = 'epoch', yLabel, series, ends, cursor = null, onStep = null }) {
  const toned = series.map((each) => ({ ...each, colour: tone(each.colour) }));
  const xs = unique(series.flatMap(({ points, band = [] }) => [...points, ...band].map(([x]) => x)));
  const heights = ({ points, band = [] }) => [...points.map(([, y]) => y), ...band.flatMap(([, ...ends]) => ends)];
  const ys = series.flatMap(heights).filter(finite);
  const label = `${title}. ${series.map(({ name, points }) => `${name}: ${last(points, xLabel)}`).join('; ')}.`;
  const spots = axes({ title, label, xLabel, yLabel, xs, ys, ends, whole: xs.every(Number.isInteger) });
  const upright = (at, more) => line(spots.x(at), ROOM.top, spots.x(at), spots.bottom, more);
  const hair = upright(xs[0] ?? 0, { 'stroke-dasharray': '2 2', 'stroke-opacity': 0.7, visibility: 'hidden' });
  spots.root.append(...toned.flatMap((each) => drawLine(each, spots)), hair);
  if (finite(cursor) && xs.length) spots.root.append(upright(cursor, { ...CURSOR, 'data-x': cursor }));
  const { element, at, said, shown } = figure(title, spots.root, toned.map(key));
  const tell = (x) => {
    for (const end of ['x1', 'x2']) hair.setAttribute(end, spots.x(x));
    series.forEach((each, i) => (shown[i].textContent = valueAt(each, x)));
    at.textContent = `${xLabel} ${x}`;
    said.textContent = `${at.textContent}: ${series.map((each) => `${each.name} ${valueAt(each, x)}`).join(', ')}`;
  };
  const start = nearest(xs, (x) => Math.abs(x - (cursor ?? Infinity)));
  const find = ([across]) => nearest(xs, (x) => Math.abs(spots.x(x) - across));
  read(spots, xs, find, start, { tell, hair, choose: onStep });
  return element;
}

const nearest = (items, distance) =>
  items.reduce((best, item, i) => (distance(item) < distance(items[best]) ? i : best), items.length - 1);

function last(points, xLabel) {
  const known = points.filter(([, y]) => finite(y));
  const [x, y] = known[known.length - 1] ?? [];
  return known.length ? `${number(y)} at ${xLabel} ${x}` : 'no values';
}

function valueAt({ points, band = [] }, x) {
  const around = band.find(([at, low]) => at === x && finite(low));
  const more = around ? ` (${number(around[1])} to ${number(around[2])})` : '';
  return number(points.find(([at]) => at === x)?.[1]) + more;
}

/** Lets the pointer and the arrow keys read a chart: `tell(item)` says it, `choose(item)` takes it. */
function read({ root, pointer }, items, find, start, { tell, hair, choose }) {
  let at = start;
  if (!items.length) return;
  const go = (place, seen = true) => {
    at = Math.min(items.length - 1, Math.max(0, place));
    hair.setAttribute('visibility', seen ? 'visible' : 'hidden');
    tell(items[at]);
  };
  const keys = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
  root.onpointermove = (event) => go(find(pointer(event)));
  root.onpointerleave = root.onblur = () => go(start, false);
  root.onfocus = () => go(at, root.matches(':focus-visible'));
  if (choose) root.style.cursor = 'pointer';
  root.onclick = (event) => choose?.(items[find(pointer(event))]);
  root.onkeydown = (event) => {
    if (event.key in keys) go(at + keys[event.key]);
    else if (event.key === 'Enter' || event.key === ' ') choose?.(items[at]);
    else return;
    event.preventDefault();
  };
  go(start, false);
}

/**
 * Points of one value against another, joined in the order that they have under their name.
 *
 * @param chart `{title, xLabel, yLabel, points, front, onPoint}`. A point is `{x, y, name, shape, colour, dash, title,
 *   large, ring, front, data}`, `data` being attributes; `front` are the points to join by a line of their own;
 *   `onPoint` hears of the point that is chosen.
 */
export function scatter({ title, xLabel, yLabel, points, front = [], onPoint = null }) {
  const toned = points.map((each) => ({ ...each, colour: tone(each.colour) }));
  const label = `${title}. ${points.filter(({ large }) => large).map((each) => each.title).join('; ')}.`;
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const spots = axes({ title, label, xLabel, yLabel, xs, ys, size: [480, 300] });
  const at = ({ x, y }) => [spots.x(x), spots.y(y)];
  const courses = unique(toned.map(({ name }) => name)).map((name) => toned.filter((each) => each.name === name));
  spots.root.append(...courses.map((course) => join(course.map(at), course[0].colour, course[0].dash, 0.5)));
  if (front.length) spots.root.append(join(front.map(at), ...FRONT, { 'data-testid': 'front' }));
  const hair = svg('circle', { r: 9, fill: 'none', stroke: 'currentColor', visibility: 'hidden' });
  spots.root.append(...toned.flatMap((each) => drawPoint(each, at(each))), hair);
  const keys = [...courses.map(([first]) => pointKey(first)), ...(front.length ? [frontKey()] : [])];
  const { element, at: seen, said } = figure(title, spots.root, keys);
  seen.style.cssText = 'display:block';
  const tell = (each) => {
    seen.textContent = said.textContent = each.title;
    hair.setAttribute('transform', `translate(${at(each)})`);
  };
  const near = ([x, y]) => nearest(points, (each) => Math.hypot(spots.x(each.x) - x, spots.y(each.y) - y));
  const start = points.findIndex(({ ring }) => ring);
  read(spots, points, near, start < 0 ? points.length - 1 : start, { tell, hair, choose: onPoint });
  return element;
}

/** Colour, dash and opacity of the front. */
const FRONT = ['currentColor', '5 3', 1];

const join = (places, colour, dash, opacity, more = {}) => svg('path', { d: path(places), fill: 'none', stroke: colour,
  'stroke-width': 1.5, 'stroke-opacity': opacity, 'stroke-dasharray': dash || 'none', ...more });

const outlined = (r, shape, [x, y], more) =>
  svg('path', { d: OUTLINES[shape % OUTLINES.length](r), transform: `translate(${x} ${y})`, ...more });

function drawPoint({ x, y, name, shape, colour, title, large, ring, front, data }, place) {
  const edge = { stroke: front ? 'currentColor' : 'var(--page, Canvas)', 'stroke-width': front ? 1.5 : 0.8 };
  const drawn = outlined(large ? 6 : 3.5, shape, place, { fill: colour, ...edge, 'data-testid': 'point',
    'data-name': name, 'data-x': x, 'data-y': y, ...data });
  drawn.append(svg('title', {}, title));
  const around = { cx: place[0], cy: place[1], r: 9, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5 };
  return ring ? [drawn, svg('circle', { ...around, 'data-testid': 'ring' })] : [drawn];
}

const pointKey = ({ name, shape, colour, dash }) =>
  entry(name, join([[0, 6], [30, 6]], colour, dash, 1), outlined(4.5, shape, [15, 6], { fill: colour }));

const frontKey = () => entry('the front', join([[0, 6], [30, 6]], ...FRONT));
