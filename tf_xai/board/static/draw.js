/** Maps on canvases. */

import { colour, sequential, signed } from './colours.js';

const NONE = -128; // the code of what is no number

/** The RGBA of every code: colours of the map's ends, the more opaque the larger; sequential maps are opaque alike. */
function table(strength, { sign, colors, opacity }) {
  const rgba = new Uint8ClampedArray(4 * 256);
  for (let code = -127; code <= 127; code++) {
    const value = Math.max(-1, Math.min(1, signed(code * strength, sign)));
    const whole = sequential(colors);
    const alpha = whole ? (value ? opacity : 0) : opacity * Math.abs(value);
    rgba.set([...colour(whole ? value : Math.sign(value), colors), 255 * alpha], 4 * (code + 128));
  }
  return rgba;
}

/**
 * Draws a map over its input.
 *
 * @param canvas Takes the size of `base`, or of the map where there is none.
 * @param base An ImageBitmap or a canvas, or null.
 * @param map `{codes, height, width, smooth}`: Int8Array, row by row.
 * @param strength What one code is worth: 1 / 127 where the largest magnitude has full colour.
 * @param look `{opacity, sign, colors}`.
 */
export function paint(canvas, base, { codes, height, width, smooth = false }, strength, look) {
  canvas.width = base ? base.width : width;
  canvas.height = base ? base.height : height;
  const context = canvas.getContext('2d');
  if (base) context.drawImage(base, 0, 0);
  const layer = layerOf(width, height);
  const image = new ImageData(width, height);
  const rgba = new Uint32Array(table(strength, look).buffer);
  const pixels = new Uint32Array(image.data.buffer);
  const hatch = new Uint32Array(new Uint8ClampedArray([90, 90, 90, 255, 200, 200, 200, 255]).buffer);
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = codes[i] === NONE ? hatch[(i + Math.floor(i / width)) & 1] : rgba[codes[i] + 128];
  }
  layer.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(layer.canvas, 0, 0, canvas.width, canvas.height);
}

/** Where maps are put together, one for every size. */
const layers = new Map();

function layerOf(width, height) {
  const key = `${width} ${height}`;
  if (!layers.has(key)) layers.set(key, new OffscreenCanvas(width, height).getContext('2d'));
  return layers.get(key);
}

/** An image in paler greys, so that colours over it show. */
export function paler(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const image = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const { data } = image;
  const level = (i) => (data[i] + data[i + 1] + data[i + 2]) / 3;
  let [low, high] = [255, 0];
  for (let i = 0; i < data.length; i += 4) {
    low = Math.min(low, level(i));
    high = Math.max(high, level(i));
  }
  for (let i = 0; i < data.length; i += 4) data.fill(60 + (180 * (level(i) - low)) / Math.max(1, high - low), i, i + 3);
  context.putImageData(image, 0, 0);
  return canvas;
}
