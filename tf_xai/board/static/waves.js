/** Signals as lines, over a band that is colored by their attributions. */

import { el, number, svg } from './dom.js';
import { paint } from './draw.js';
import { ticks } from './axes.js';
import { withSign } from './tokens.js';

const MOST = 1200; // points of a line; longer ones are drawn as the range in every column
const CELLS = 1024; // of a map, at most, see FORMAT.md

/** How many steps a cell of a map spans: whole ones of a mean, any number of a map of convolutions. */
export function spanOf(length, cells) {
  const whole = Math.ceil(length / CELLS);
  return Math.ceil(length / whole) === cells ? whole : length / cells;
}

/** The outline of a signal in a box of 1000 by 100: a path of SVG. */
export function outline(signal) {
  const known = signal.filter(Number.isFinite);
  const [low, high] = known.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const y = (value) => (high > low ? 95 - (90 * (value - low)) / (high - low) : 50).toFixed(1);
  const x = (at) => ((1000 * at) / signal.length).toFixed(2);
  const points = signal.length > MOST ? ranges(signal) : Array.from(signal, (value, i) => [i + 0.5, value]);
  const goes = (i) => (i && Number.isFinite(points[i - 1][1]) ? 'L' : 'M');
  const drawn = points.map(([at, value], i) => (Number.isFinite(value) ? `${goes(i)}${x(at)} ${y(value)}` : ''));
  return drawn.join('');
}

/** The least and the largest of every column, up and down in turn. */
function ranges(signal) {
  const wide = signal.length / (MOST / 2);
  return Array.from({ length: MOST / 2 }, (_, column) => {
    const part = signal.slice(Math.floor(column * wide), Math.floor((column + 1) * wide));
    const middle = (column + 0.5) * wide;
    return [[middle, part.reduce((a, b) => Math.min(a, b))], [middle, part.reduce((a, b) => Math.max(a, b))]];
  }).flat();
}

/** A canvas of one line of codes, as wide as its cells; `map` is `{codes, smooth}`. */
export function band({ codes, smooth }, length, worth, look, attributes) {
  const canvas = el('canvas', { role: 'img', 'data-testid': 'map', ...attributes });
  canvas.classList.toggle('pixelated', !smooth);
  paint(canvas, null, { codes, height: 1, width: codes.length }, worth, look);
  canvas.style.width = `${((100 * codes.length * spanOf(length, codes.length)) / length).toFixed(3)}%`;
  return canvas;
}

/** The line over its band. */
export function wave(signal, canvas) {
  const path = outline(signal);
  const dense = signal.length > MOST ? ' dense' : '';
  const line = (name) => svg('path', { class: name, d: path, fill: 'none', 'vector-effect': 'non-scaling-stroke' });
  const over = svg('svg', { viewBox: '0 0 1000 100', preserveAspectRatio: 'none', 'aria-hidden': true });
  over.append(line('halo'), line(`wave${dense}`));
  return el('div', { className: 'over' }, canvas, over);
}

/**
 * A box that tells what is under the pointer, or under the cursor that the arrow keys move.
 *
 * @param label What is in it.
 * @param tell Takes a place, 0 to `length - 1`, and gives words.
 */
export function explored(box, label, length, tell, readout) {
  const cursor = el('span', { className: 'cursor', hidden: true });
  let at = 0;
  const to = (place) => {
    at = Math.max(0, Math.min(length - 1, place));
    cursor.hidden = false;
    cursor.style.left = `${(100 * (at + 0.5)) / length}%`;
    readout.textContent = tell(at);
  };
  const step = Math.max(1, Math.round(length / 200));
  box.onpointermove = (event) => {
    const { left, width } = box.getBoundingClientRect();
    to(Math.floor(((event.clientX - left) / width) * length));
  };
  box.onfocus = () => to(at);
  box.onkeydown = (event) => {
    const places = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: length - 1 };
    if (!(event.key in places)) return;
    event.preventDefault();
    to(places[event.key]);
  };
  Object.assign(box, { role: 'group', ariaLabel: label, tabIndex: 0 });
  box.dataset.arrows = '';
  box.append(cursor);
  return box;
}

/** The attribution at every place of a signal, in words. */
export function attributions(values, length) {
  const cell = spanOf(length, values.length);
  return (at) => {
    const value = values[Math.min(values.length - 1, Math.floor(at / cell))];
    return `attribution ${Number.isNaN(value) ? 'no number' : withSign(value)}`;
  };
}

/** Round numbers below: of steps, or of seconds where there is a rate. */
export function axis(length, rate) {
  const most = rate ? length / rate : length;
  const mark = (value) => {
    const place = (value + (rate ? 0 : 0.5)) / most;
    return el('span', { textContent: number(value), style: `left: ${(100 * place).toFixed(2)}%` });
  };
  const marks = ticks(0, rate ? most : length - 1, 8, !rate).filter((value) => value < most * 0.97);
  const unit = el('span', { className: 'unit', textContent: rate ? 's' : 'step' });
  return el('div', { className: 'marks' }, ...marks.map(mark), unit);
}
