/** Series and audio: the signal over its attributions, a row for every run; of audio also the spectrogram. */

import { el, number, notice } from '../dom.js';
import { fitting, headline, instead, lacking, pager, readout, richest, verdict, who, within } from '../parts.js';
import { attributions, axis, band, explored, wave } from '../waves.js';
import { codes, full, strength, values } from '../scales.js';
import { picture, spectrogram, windowOf } from '../spectrum.js';
import { plain } from '../tokens.js';

const NOTHING =
  'No run has attributions of series or audio. Train a model on arrays (examples, steps, channels) with ' +
  'AttributionBoard; give it the `rate` where they are sound.';
const HINT = 'Point at a signal, or go through it with the arrow keys, for its values.';

const isSignal = ({ kind }) => kind === 'series' || kind === 'audio';

export async function draw({ state, store }) {
  const runs = await fitting(store, state, isSignal);
  if (!runs.length) return notice(NOTHING);
  const { inputs, method, leaves } = richest(runs);
  const row = within(state, runs);
  const told = readout(HINT);
  const sound = inputs.leaves.find(({ kind, name }) => kind === 'audio' && leaves.some((map) => map.name === name));
  const blocks = runs.flatMap((entry) => entry.leaves.map((map) => block(store, state, { ...entry, map, row, told })));
  const element = el('section', { className: 'signals', 'aria-label': 'Signals' },
    el('div', { className: 'toolbar' }, ...pager(runs, state), el('strong', { textContent: headline(inputs, row) }),
      ...(sound ? [player(sound, row)] : [])),
    told, instead(store, state, method, 'attributions of signals'), ...(await Promise.all(blocks)));
  element.addEventListener('gone', () => setTimeout(hush)); // by then what comes next is in the page
  return element;
}

/** A run: all channels. */
async function block(store, state, entry) {
  const { inputs, map, row, run, method, title, leaves } = entry;
  const none = lacking(entry, row);
  const about = { className: 'signal', 'data-run': run };
  if (none) return el('article', about, el('header', {}, el('strong', {}, title)), none);
  const leaf = inputs.leaves.find(({ name }) => name === map.name);
  const worth = await strength(store, state, run, method, map, row);
  const head = el('header', {}, who(leaves.length > 1 ? `${title}, ${map.name}` : title, verdict(entry, row)),
    el('span', { className: 'faint', textContent: `full color at ±${plain(full(map, row, worth))}` }));
  const channels = leaf.shape[2] ?? 1;
  const rows = Array.from({ length: channels }, (_, channel) => channelOf(entry, leaf, channel, worth, state));
  const below = leaf.kind === 'audio' ? [spectrum(entry, leaf, worth, state)] : [];
  return el('article', about, head, ...rows, ...below,
    grid('', axis(leaf.shape[1], leaf.rate)));
}

/** A name at the left, a drawing at the right. */
const grid = (name, drawing) => el('div', { className: 'channel' }, el('span', { textContent: name }), drawing);

/** Every `count`th value, from `first`. */
const strided = (all, first, count) => all.filter((_, i) => i % count === first);

/** The signal of a channel, and the codes and values of its map; maps of convolutions have one for all channels. */
function parts({ map, row }, { data, shape: [, length, channels = 1] }, channel) {
  const depth = map.shape[2] ?? 1;
  const own = Math.min(channel, depth - 1);
  return {
    signal: strided(data.subarray(row * length * channels, (row + 1) * length * channels), channel, channels),
    own: { codes: strided(codes(map, row), own, depth), smooth: map.smooth },
    values: strided(values(map, row), own, depth),
  };
}

function channelOf(entry, leaf, channel, worth, state) {
  const { signal, own, values: known } = parts(entry, leaf, channel);
  const length = signal.length;
  const name = leaf.names?.[channel] ?? '';
  const label = `Signal ${name} of example ${entry.row}, ${entry.title}`;
  const about = marks(entry, `Attributions under ${label}`, { 'data-channel': channel });
  const canvas = band(own, length, worth, state, about);
  const attribution = attributions(known, length);
  const tell = (at) => `${placeOf(leaf, at)}: signal ${plain(signal[at])}, ${attribution(at)}`;
  return grid(name, explored(wave(signal, canvas), label, length, tell, entry.told));
}

const placeOf = ({ rate }, at) => (rate ? `${number(at / rate)} s` : `step ${at}`);

const marks = ({ run, method, step, row }, label, more) => ({
  'aria-label': label, 'data-run': run, 'data-method': method, 'data-step': step, 'data-example': row, ...more,
});

/** Spectrograms, for every array of signals by row: they are the same at all steps. */
const known = new WeakMap();

function spectrumOf(leaf, row, signal) {
  if (!known.has(leaf.data)) known.set(leaf.data, new Map());
  const rows = known.get(leaf.data);
  if (!rows.has(row)) rows.set(row, spectrogram(signal));
  return rows.get(row);
}

/** The spectrogram below a band. */
function spectrum(entry, leaf, worth, state) {
  const { signal, own, values: about } = parts(entry, leaf, 0);
  const [length, size] = [signal.length, windowOf(signal.length)];
  const found = spectrumOf(leaf, entry.row, signal);
  const drawn = picture(found);
  const share = (samples) => `${((100 * samples) / length).toFixed(3)}%`;
  drawn.style = `left: ${share(-found.hop / 2)}; width: ${share(found.hop * found.frames)}`;
  const label = `Spectrogram of example ${entry.row}, ${entry.title}`;
  const strip = band(own, length, worth, state, marks(entry, `Attributions above: ${label}`, { 'data-strip': '' }));
  const box = el('div', { className: 'spectrum' }, strip, el('div', { className: 'over' }, drawn));
  const attribution = attributions(about, length);
  const tell = (at) => {
    const frame = Math.min(found.frames - 1, Math.round(at / found.hop));
    const part = Array.from(found.decibels.subarray(frame * found.bins, (frame + 1) * found.bins));
    const loudest = part.indexOf(Math.max(...part)) * (leaf.rate / size);
    return `${placeOf(leaf, at)}: loudest at ${number(loudest, 0)} Hz, ${attribution(at)}`;
  };
  return grid(`0 to ${number(leaf.rate / 2000, 1)} kHz ↑`, explored(box, label, length, tell, entry.told));
}

/** What is playing: `{source, data, row, button}`, the button of the newest drawing. */
let playing = null;

/** Ends the sound whose button is no longer to be seen. */
function hush() {
  if (playing && !playing.button.isConnected) playing.source.stop();
}

/** A button that plays the sound, and stops it; the sound of another run, input or example ends. */
function player(leaf, row) {
  const button = el('button', { className: 'plain', 'data-key': 'play', 'data-testid': 'play' });
  if (playing?.row === row && playing.data === leaf.data) playing.button = button;
  else playing?.source.stop();
  const say = () => (button.textContent = playing?.button === button ? '■ stop' : '▶ play');
  button.onclick = () => {
    if (playing) return playing.source.stop();
    playing = { source: sourceOf(leaf, row), data: leaf.data, row, button };
    playing.source.onended = () => {
      playing.source.context.close();
      playing.button.textContent = '▶ play';
      playing = null;
    };
    playing.source.start();
    say();
  };
  say();
  return button;
}

/** The sound of an example, at its rate, no louder than it may be. */
function sourceOf({ data, rate, shape: [, length] }, row) {
  const context = new AudioContext();
  const own = Math.max(8000, Math.min(96000, rate)); // what every browser takes
  const signal = data.slice(row * length, (row + 1) * length).map((value) => (Number.isFinite(value) ? value : 0));
  const peak = signal.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const buffer = context.createBuffer(1, length, own);
  buffer.copyToChannel(signal.map((value) => value / peak), 0);
  const source = Object.assign(context.createBufferSource(), { buffer });
  source.playbackRate.value = rate / own;
  source.connect(context.destination);
  return source;
}
