/** Reads values of maps under the pointer, or at a place that arrow keys move: of all maps at once. */

import { alike as same } from './cells.js';
import { el } from './dom.js';
import { codes } from './scales.js';
import { picture } from './thumbs.js';
import { withSign } from './tokens.js';

const UNITS = {
  image: 'score per pixel',
  table: 'score per feature',
  text: 'score per token',
  series: 'score per value',
  audio: 'score per sample',
  attention: 'mean weight of the heads',
};
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Where it is read, as shares of the height and of the width; it outlives a drawing. */
let at = null;

/**
 * Makes canvases answer.
 *
 * @param canvases The first ones are of `sides`; the pointer may be on any.
 * @param sides Of `load` in cells.js; two of the same shape and examples also have a difference.
 * @returns `{element, frame}`: where the values stand, and what puts a canvas into a frame that marks the place.
 */
export function reader(canvases, sides, row) {
  const maps = sides.map(({ map }) => ({ ...picture(map, row), scale: map.scale[row] }));
  const element = el('p', { className: 'readout', 'aria-live': 'polite', 'data-testid': 'value', textContent:
    'Point at a map, or move through it with the arrow keys, for its values.' });
  const marks = [];
  const tell = () => {
    element.textContent = sentence(maps, sides, at, row);
    const [top, left] = at.map((share) => `${share * 100}%`);
    marks.forEach((mark) => Object.assign(mark.style, { display: 'block', top, left }));
  };
  const move = (event, { height, width }) => {
    if (!(event.key in MOVES)) return;
    const [down, right] = MOVES[event.key];
    at = at ? [within(at[0] + down / height), within(at[1] + right / width)] : [0.5, 0.5];
    event.preventDefault();
    tell();
  };
  canvases.forEach((canvas, i) => {
    const map = maps[i] ?? maps[0];
    canvas.tabIndex = 0;
    canvas.dataset.arrows = '';
    canvas.dataset.key = `map-${i}`;
    canvas.onkeydown = (event) => move(event, map);
    canvas.onpointermove = ({ offsetX, offsetY }) => {
      at = [middle(offsetY / canvas.clientHeight, map.height), middle(offsetX / canvas.clientWidth, map.width)];
      tell();
    };
  });
  const frame = (drawing) => {
    if (!drawing.matches('canvas')) return drawing;
    marks.push(el('span', { className: 'mark' }));
    return el('div', { className: 'frame' }, drawing, marks[marks.length - 1]);
  };
  if (at) queueMicrotask(tell);
  return { element, frame };
}

const within = (share) => Math.max(0, Math.min(0.9999, share));
const cell = (share, count) => Math.min(count - 1, Math.floor(within(share) * count));
const middle = (share, count) => (cell(share, count) + 0.5) / count;

function sentence(maps, sides, [down, right], row) {
  const values = maps.map(({ codes: own, height, width, scale }) => {
    const code = own[cell(down, height) * width + cell(right, width)];
    return code === -128 ? NaN : (code / 127) * scale;
  });
  const named = sides.map(({ title, method }, i) => `${title ?? method} ${withSign(values[i])}`);
  const shapes = new Set(maps.map(({ height, width }) => `${height} ${width}`));
  const alike = maps.length === 2 && shapes.size === 1 && same(...sides.map(({ inputs }) => inputs));
  const apart = alike ? [`difference ${withSign(values[1] - values[0])}`] : [];
  const [{ height, width }] = maps;
  const where = place(sides[0], cell(down, height), cell(right, width), row);
  return `${where}: ${[...named, ...apart].join(', ')} (${UNITS[sides[0].map.kind]})`;
}

/** Where it is, in words. */
function place({ base, map }, down, right, row) {
  if (map.kind === 'table') return base.names?.[right] ?? `feature ${right}`;
  const token = (at) => `“${base.data[row]?.[at] ?? at}”`;
  if (map.kind === 'text') return token(right);
  if (map.kind === 'attention') return `from ${token(down)} to ${token(right)}`;
  if (map.kind === 'image') return `row ${down}, column ${right}`;
  return `${base.names?.[down] ?? 'signal'}, at ${right + 1} of ${map.shape[1]}`;
}
