/** A head of attention, enlarged: labels on both axes, the weight under the pointer. */

import { css } from './colours.js';
import { el, svg } from './dom.js';
import { paint } from './draw.js';
import { stretched } from './heads.js';
import { plain } from './tokens.js';

const [LARGE, LEAST, MOST] = [420, 4, 26]; // pixels: of the whole, and of a cell
const LETTERS = 14; // of a label
const LINE = 12; // pixels that a label needs

/** Draws codes with a cell of `size` pixels for each; those at the lower limit have the first color, not none. */
export function cells(canvas, { codes, height, width }, limits, colors, size) {
  const base = new OffscreenCanvas(width * size, height * size);
  const context = base.getContext('2d');
  context.fillStyle = css(0, colors);
  context.fillRect(0, 0, base.width, base.height);
  const shown = { codes: stretched(codes, limits), height, width };
  paint(canvas, base, shown, 1 / 127, { opacity: 1, sign: 'absolute', colors });
}

/**
 * A matrix with labels.
 *
 * @param map `{codes, height, width}`.
 * @param labels `{queries, keys}`, a word for every row and column.
 * @param limits The codes of the first and of the last color.
 * @param weight What a code is worth as a weight.
 * @param canvas Takes the picture; has its label already.
 */
export function matrix(canvas, map, labels, limits, weight, colors, readout) {
  const size = Math.max(LEAST, Math.min(MOST, Math.floor(LARGE / Math.max(map.width, map.height))));
  cells(canvas, map, limits, colors, size);
  explore(canvas, map, labels, size, weight, readout);
  const [left, top] = [Math.max(60, room(labels.queries)), Math.max(34, 0.9 * room(labels.keys))];
  const corner = svg('svg', { width: left, height: top, 'aria-hidden': true },
    small('keys →', left - 6, top - 20, 'end'), small('queries ↓', left - 6, top - 6, 'end'));
  const [columns, rows] = [above(labels.keys, size, top), beside(labels.queries, size, left)];
  return el('div', { className: 'matrix' }, corner, columns, rows, canvas);
}

/** The colors, with the weights that the first and the last one stand for; `own` ones are the least and the largest. */
export function legend(colors, [low, high], own) {
  const canvas = el('canvas', { width: 101, height: 1, role: 'img', 'aria-label': `Colors of ${colors}` });
  const context = canvas.getContext('2d');
  for (let i = 0; i <= 100; i++) {
    context.fillStyle = css(i / 100, colors);
    context.fillRect(i, 0, 1, 1);
  }
  const [first, last] = own ? ['least ', 'largest '] : ['', ''];
  return el('span', { className: 'legend' }, first + plain(low), canvas, last + plain(high));
}

/** Pixels that the longest label takes. */
const room = (labels) => 14 + 7 * Math.max(0, ...labels.map((text) => short(text).length));

const small = (text, x, y, anchor, more = {}) =>
  svg('text', { x, y, 'text-anchor': anchor, 'font-size': 11, fill: 'currentColor', ...more }, text);
const short = (text) => (text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text);

/** Every label, or every second, third, ... where there is no room. */
const every = (labels, size, make) => {
  const apart = Math.ceil(LINE / size);
  return labels.flatMap((text, i) => (i % apart ? [] : [make(short(text), i)]));
};

function above(labels, size, top) {
  const place = (i) => (i + 0.5) * size + 4;
  const turn = (i) => ({ transform: `rotate(-60 ${place(i)} ${top - 4})` });
  const turned = (text, i) => small(text, place(i), top - 4, 'start', turn(i));
  return svg('svg', { width: labels.length * size, height: top, overflow: 'visible', 'aria-hidden': true },
    ...every(labels, size, turned));
}

function beside(labels, size, left) {
  const label = (text, i) => small(text, left - 6, (i + 0.5) * size + 4, 'end');
  return svg('svg', { width: left, height: labels.length * size, 'aria-hidden': true }, ...every(labels, size, label));
}

/** Pointer and arrow keys go from cell to cell. */
function explore(canvas, { codes, height, width }, labels, size, weight, readout) {
  let at = [0, 0];
  const tell = (row, column) => {
    at = [Math.max(0, Math.min(height - 1, row)), Math.max(0, Math.min(width - 1, column))];
    const code = codes[at[0] * width + at[1]];
    const value = code === -128 ? 'no number' : plain(code * weight);
    readout.textContent = `query “${labels.queries[at[0]]}” → key “${labels.keys[at[1]]}”: ${value}`;
  };
  canvas.tabIndex = 0;
  canvas.dataset.arrows = '';
  canvas.onmousemove = ({ offsetX, offsetY }) => tell(Math.floor(offsetY / size), Math.floor(offsetX / size));
  canvas.onfocus = () => tell(...at);
  canvas.onkeydown = (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    tell(at[0] + by[0], at[1] + by[1]);
  };
}
