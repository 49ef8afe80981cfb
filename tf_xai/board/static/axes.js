/** What charts in SVG stand on: axes with round numbers, outlines of points. */

import { svg } from './dom.js';

export const ROOM = { left: 50, right: 10, top: 8, bottom: 34 };
const SMALL = { 'font-size': 11, fill: 'currentColor' };

/** A colour that stands out from light and dark pages alike. */
export const tone = (colour) => `light-dark(${colour}, color-mix(in srgb, ${colour}, white 45%))`;

export const finite = (value) => value !== null && value !== undefined && Number.isFinite(value);

/** Round numbers between two, about `count` of them. */
export function ticks(low, high, count = 5, whole = false) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const round = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= 0.75 * raw);
  const step = whole ? Math.max(1, round) : round;
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => +((first + i) * step).toPrecision(12));
}

/** From the least to the largest value, with some air; never of no length. */
export function domain(values, air = 0.06) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (!values.length) return [0, 1];
  const more = high > low ? air * (high - low) : Math.abs(high) / 2 || 0.5;
  return [low - more, high + more];
}

/**
 * Axes without anything between them: `{root, x, y, pointer, bottom}`, which place values, and a pointer's event.
 *
 * @param ends `[low, high]` of the upright axis; by default those of the values, with some air.
 */
export function axes({ title, label, xLabel = '', yLabel = '', xs, ys, ends, whole, size = [340, 200] }) {
  const [[width, height], xDomain, yDomain] = [size, domain(xs, 0.03), ends ?? domain(ys)];
  const [right, bottom] = [width - ROOM.right, height - ROOM.bottom];
  const along = ([low, high], from, to) => (value) => +(from + ((value - low) / (high - low)) * (to - from)).toFixed(2);
  const [x, y] = [along(xDomain, ROOM.left, right), along(yDomain, bottom, ROOM.top)];
  const root = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, tabindex: 0,
    'data-testid': 'chart', 'data-key': `chart-${title}`, style: 'display:block;width:100%;height:auto' });
  root.append(svg('title', {}, title));
  ticks(...yDomain).forEach((at) => root.append(line(ROOM.left, y(at), right, y(at)), yTick(at, y(at))));
  ticks(...xDomain, 6, whole).forEach((at) => root.append(...xTick(at, x(at), bottom)));
  root.append(line(ROOM.left, bottom, right, bottom, { 'stroke-opacity': 0.6 }));
  root.append(...names(xLabel, yLabel, right, bottom));
  const middle = { x: (ROOM.left + right) / 2, y: bottom / 2, 'text-anchor': 'middle' };
  if (!ys.length) root.append(svg('text', { ...SMALL, ...middle }, 'no values'));
  const pointer = (event) => {
    const box = root.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((each) => (each / box.width) * width);
  };
  return { root, x, y, pointer, bottom };
}

export const line = (x1, y1, x2, y2, more = {}) =>
  svg('line', { x1, y1, x2, y2, stroke: 'currentColor', 'stroke-opacity': 0.15, ...more });

/** A round number, all of it. */
export function written(value) {
  const size = Math.abs(value);
  return size && (size < 1e-4 || size >= 1e5) ? value.toExponential() : String(value);
}

const yTick = (value, y) => svg('text', { ...SMALL, x: ROOM.left - 5, y: y + 4, 'text-anchor': 'end', 'data-tick': 'y',
  'data-value': value, 'data-at': y }, written(value));

const xTick = (value, x, y) => [
  line(x, y, x, y + 4, { 'stroke-opacity': 0.6 }),
  svg('text', { ...SMALL, x, y: y + 16, 'text-anchor': 'middle', 'data-tick': 'x', 'data-value': value, 'data-at': x },
    written(value)),
];

function names(xLabel, yLabel, right, bottom) {
  const middle = (ROOM.top + bottom) / 2;
  const turned = { x: 10, y: middle, 'text-anchor': 'middle', transform: `rotate(-90 10 ${middle})` };
  return [
    svg('text', { ...SMALL, x: right, y: bottom + 30, 'text-anchor': 'end' }, xLabel),
    svg('text', { ...SMALL, ...turned }, yLabel),
  ];
}

const outline = (...corners) => (r) => `M${corners.map(([x, y]) => `${x * r} ${y * r}`).join('L')}Z`;

/** Outlines about the origin, of about the same area: one for every run. */
export const OUTLINES = [
  (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  outline([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]),
  outline([0, -1.2], [1.2, 0.95], [-1.2, 0.95]),
  outline([0, -1.35], [1.35, 0], [0, 1.35], [-1.35, 0]),
  outline([-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1],
    [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]),
  outline([-1.1, -1.1], [0, -0.4], [1.1, -1.1], [0.4, 0], [1.1, 1.1], [0, 0.4], [-1.1, 1.1], [-0.4, 0]),
  outline([0, 1.2], [1.2, -0.95], [-1.2, -0.95]),
  outline([-1, -1.1], [1, -1.1], [-1, 1.1], [1, 1.1]),
];
