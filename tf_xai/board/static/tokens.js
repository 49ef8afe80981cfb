/** Tokens as text with colours, and underlines that say the same without colour. */

import { colour, sequential, signed } from './colours.js';
import { el, number } from './dom.js';

const SPECIAL = /^(\[(CLS|SEP|PAD|MASK|UNK|BOS|EOS)\]|<\/?s>|<(pad|cls|sep|mask|bos|eos)>|<\|.*\|>)$/i;
const MARK = /^[▁Ġ]/; // begins a word: of SentencePiece, of GPT
const NONE = 'border-bottom: 3px double; padding-bottom: 0';
const FAINT = 0.05; // of full colour: less is not underlined

export const special = (token) => SPECIAL.test(token);

/** A value in three digits, with a minus as wide as a plus: maps have no more than 127 sizes. */
export const plain = (value) => number(+value.toPrecision(3), 6).replace('-', '−');

/** A value with its sign. */
export const withSign = (value) => (value > 0 ? '+' : '') + plain(value);

/**
 * What is shown, in order: `[{text, value, at}]`, without padding; `at` are the places of its tokens.
 *
 * @param words Whether tokens are joined to words, whose value is the sum.
 */
export function units(tokens, values, words) {
  const kept = tokens.map((text, at) => ({ text, value: values[at], at: [at] })).filter(({ text }) => text !== '');
  if (!words) return kept;
  const marked = kept.some(({ text }) => MARK.test(text));
  const joined = [];
  kept.forEach((token, i) => {
    const alone = i === 0 || special(token.text) || special(kept[i - 1].text);
    if (alone || begins(token.text, marked)) joined.push({ ...token, text: bare(token.text) });
    else joined.push(join(joined.pop(), token));
  });
  return joined;
}

const begins = (token, marked) => (marked ? MARK.test(token) : !token.startsWith('##'));
const bare = (token) => token.replace(/^(▁|Ġ|##)(?=.)/, '');
const join = (word, token) => ({
  text: word.text + bare(token.text),
  value: word.value + token.value,
  at: [...word.at, ...token.at],
});

/** The least and the largest value of units; zeros where there is none. */
export function ends(items) {
  const known = items.map(({ value }) => value).filter(Number.isFinite);
  return known.length ? [Math.min(...known), Math.max(...known)] : [0, 0];
}

/** What lies under the colours: `--page` of style.css, of light pages and of dark ones. */
const PAPERS = [[255, 255, 255], [27, 29, 33]];

/** The share of full colour of a value, -1 to 1, NaN where there is none; `least` has none of it. */
export const share = (value, most, { sign, least = 0 }) =>
  Math.max(-1, Math.min(1, signed(most > least ? (value - least) / (most - least) : 0, sign)));

/** The colour `[r, g, b]` of a share over another colour. */
export function shade(part, { colors, opacity, unsigned = false }, under) {
  const whole = sequential(colors);
  const alpha = whole ? (part || unsigned ? opacity : 0) : opacity * Math.abs(part);
  const ink = colour(whole ? part : Math.sign(part), colors);
  return under.map((low, i) => Math.round(low + alpha * (ink[i] - low)));
}

/** Black or white, whichever is easier to read on a colour: at least 4.5 to 1. */
export function readable(rgb) {
  const linear = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (light + 0.05) ** 2 > 1.05 * 0.05 ? '#000' : '#fff';
}

/**
 * A line of tokens. Arrow keys go from one to the next; the value of the one that is pointed at stands in `readout`.
 *
 * @param items Of `units`.
 * @param most The value of full colour.
 * @param look `{sign, colors, opacity, unsigned, least}`; `unsigned` values are told without a sign; those of `least`,
 *   0 by default, have the first color.
 * @param label What the line is, in words.
 */
export function line(items, most, look, label, readout) {
  const spans = items.map((item) => token(item, most, look));
  const tell = ({ target }) => {
    if (target.title) readout.textContent = target.title;
  };
  const box = el('div', { className: 'tokens', role: 'group', 'data-arrows': '', 'aria-label': label }, ...spans);
  Object.assign(box, { onmouseover: tell, onkeydown: (event) => walk(event, spans) });
  box.addEventListener('focusin', tell);
  if (spans.length) spans[0].tabIndex = 0;
  return box;
}

function token({ text, value, at }, most, look) {
  const part = share(value, most, look);
  const known = Number.isFinite(value);
  const said = look.unsigned ? plain(value) : withSign(value);
  const grounds = PAPERS.map((under) => (known ? shade(part, look, under) : under));
  const both = (of) => `light-dark(${grounds.map(of).join(', ')})`;
  const ground = both((rgb) => `rgb(${rgb})`);
  const under = known ? underline(part) : NONE;
  return el('span', {
    className: 'token',
    textContent: text,
    tabIndex: -1,
    title: `${text}: ${known ? said : 'no number'}`,
    style: `background: ${ground}; box-shadow: 0 2px ${ground}; color: ${both(readable)}; ${under}`,
    'data-testid': 'token',
    'data-at': at.join(' '),
  });
}

/** Solid for what speaks for the score, dashed for what speaks against it, the thicker the stronger. */
function underline(part) {
  if (Math.abs(part) < FAINT) return '';
  const width = Math.ceil(3 * Math.abs(part));
  return `border-bottom: ${width}px ${part > 0 ? 'solid' : 'dashed'}; padding-bottom: ${3 - width}px`;
}

function walk(event, spans) {
  const at = spans.indexOf(event.target);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: spans.length - 1 }[event.key];
  if (at < 0 || !spans[to]) return;
  event.preventDefault();
  spans[at].tabIndex = -1;
  spans[to].tabIndex = 0;
  spans[to].focus();
}
