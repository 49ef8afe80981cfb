/** Small drawings of inputs and of their maps. */

import { css, signed } from './colours.js';
import { el } from './dom.js';
import { paint } from './draw.js';
import { heat, meanOf, range } from './heads.js';
import { cells } from './matrix.js';
import { codes } from './scales.js';

const NONE = -128; // the code of what is no number
const SMALL = 160; // pixels of images that are shown as they are, not smoothed

/** The leaf of an input that the bar has chosen, or the first; of maps, the one that belongs to it. */
export const leafOf = (leaves, name) => leaves.find((leaf) => (leaf.of ?? leaf.name) === name) ?? leaves[0];

/** Whether a leaf is drawn as a picture; other leaves are drawn flat. */
export const pictured = ({ kind }) => kind === 'image' || kind === 'attention';

/** The map of an example as a picture: attention is the mean of its heads; of others, one line for every channel. */
export function picture(map, row, own = codes(map, row)) {
  const [, ...shape] = map.shape;
  if (map.kind === 'image') return { codes: own, height: shape[0], width: shape[1], smooth: map.smooth };
  if (map.kind === 'attention') return { codes: meanOf(own, shape[0]), height: shape[1], width: shape[2] };
  if (shape.length === 1) return { codes: own, height: 1, width: shape[0] };
  const [width, height] = shape;
  return { codes: Int8Array.from(own, (_, i) => own[(i % width) * height + Math.floor(i / width)]), height, width };
}

/** Draws the map of an example, or other codes, on a canvas; `base` is the leaf of the input that it belongs to. */
export function drawMap(canvas, base, map, row, worth, look, other = null) {
  const own = other ?? codes(map, row);
  if (!pictured(map) && own.length && own.every((code) => code === NONE)) return hatched(canvas, 'no finite values');
  if (map.kind === 'table') return bars(canvas, Array.from(own, (code) => (code === NONE ? 0 : code * worth)), look);
  const under = map.kind === 'image' && base?.kind === 'image' ? base.grey[row] : null;
  canvas.classList.toggle('pixelated', !under || under.width <= SMALL);
  if (map.kind === 'attention' && !other) return weights(canvas, picture(map, row, own), worth, look);
  return paint(canvas, under, picture(map, row, own), worth, look);
}

/** Attention has the colors of its own view; from its least weight where the scale is its own. */
function weights(canvas, map, worth, { scale, colors }) {
  const least = scale === 'map' ? range(map.codes)[0] : 0;
  cells(canvas, map, [least, worth ? 1 / worth : 0], heat(colors), 1);
}

/** Values of -1 to 1 as bars up and down. */
function bars(canvas, values, look) {
  Object.assign(canvas, { width: 256, height: 80 });
  const context = canvas.getContext('2d');
  const wide = canvas.width / values.length;
  values.map((value) => Math.max(-1, Math.min(1, signed(value, look.sign)))).forEach((value, i) => {
    context.fillStyle = css(Math.sign(value), look.colors);
    context.globalAlpha = look.opacity;
    context.fillRect(i * wide, 40 - Math.max(0, 38 * value), Math.max(1, wide - 2), Math.abs(38 * value));
  });
  context.globalAlpha = 1;
  context.fillStyle = '#777777';
  context.fillRect(0, 40, canvas.width, 1);
}

/** In place of a drawing: slanted lines, as greys that are seen on light and on dark, and why. */
function hatched(canvas, text) {
  Object.assign(canvas, { width: 256, height: 80 });
  const context = canvas.getContext('2d');
  context.fillStyle = '#c8c8c8';
  context.fillRect(0, 0, 256, 80);
  context.strokeStyle = '#909090';
  context.beginPath();
  for (let x = -80; x < 256; x += 16) {
    context.moveTo(x, 80);
    context.lineTo(x + 80, 0);
  }
  context.stroke();
  context.fillStyle = '#1b1f24';
  context.font = '26px sans-serif';
  context.textAlign = 'center';
  context.fillText(text, 128, 49);
}

/** The input of an example: a canvas, or the tokens. */
export function inputOf(leaf, row) {
  if (leaf.kind === 'text') return el('span', { className: 'tokens-short', textContent: leaf.data[row].join(' ') });
  const canvas = el('canvas', { className: 'input', role: 'img', 'aria-label': `Input of example ${row}` });
  if (leaf.kind === 'image') {
    const bitmap = leaf.data[row];
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    canvas.classList.toggle('pixelated', bitmap.width <= SMALL);
    canvas.getContext('2d').drawImage(bitmap, 0, 0);
  } else course(canvas, leaf, row);
  return canvas;
}

/** The first channel of a signal, or the features of a table, as a line. */
function course(canvas, { data, shape }, row) {
  const [, length, channels = 1] = shape;
  const values = Array.from({ length }, (_, i) => data[(row * length + i) * channels]);
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  Object.assign(canvas, { width: 256, height: 80 });
  const context = canvas.getContext('2d');
  context.strokeStyle = '#7d8590'; // seen on light and on dark
  const x = (i) => (i / Math.max(1, length - 1)) * 255;
  values.forEach((value, i) => context.lineTo(x(i), 76 - (72 * (value - low)) / (high - low || 1)));
  context.stroke();
}
