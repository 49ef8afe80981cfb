/** Colour maps, all told apart with any colour vision: diverging ones for signed values, sequential ones for sizes. */

export const MAPS = {
  'blue-orange': [[33, 102, 172], [247, 247, 247], [230, 97, 1]],
  PRGn: [[118, 42, 131], [247, 247, 247], [27, 120, 55]],
  RdBu: [[33, 102, 172], [247, 247, 247], [178, 24, 43]],
  viridis: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]],
  cividis: [[0, 34, 78], [66, 78, 108], [124, 123, 120], [187, 175, 113], [254, 232, 56]],
};

/** Of lines and dots, one for every run (Okabe and Ito), with dashes of their own. */
export const RUNS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#5b5b5b', '#56b4e9', '#e69f00'];
export const DASHES = ['', '6 3', '2 2', '9 3 2 3', '1 4', '12 4', '4 1', '8 2 2 2'];

export const sequential = (name) => MAPS[name].length > 3;

/** The colour `[r, g, b]` of a value: -1 to 1 in diverging maps, of which sequential ones show the size. */
export function colour(value, name) {
  const stops = MAPS[name];
  const share = sequential(name) ? Math.abs(value) : (value + 1) / 2;
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((from, i) => Math.round(from + (stops[low + 1][i] - from) * (place - low)));
}

/** The same as a word of CSS. */
export const css = (value, name) => `rgb(${colour(value, name).join(',')})`;

/** What a value counts as under the choice of sign: "signed", "positive", "negative" or "absolute". */
export function signed(value, sign) {
  if (sign === 'positive') return Math.max(0, value);
  if (sign === 'negative') return Math.min(0, value);
  return sign === 'absolute' ? Math.abs(value) : value;
}
