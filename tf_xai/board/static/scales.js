/** How much colour a value gets: the choice "scale" of the bar. Serves every view that draws maps. */

/**
 * What one code of a map is worth, where 1 has full colour; 0 for a map without any finite value, or of zeros only.
 *
 * @param map A leaf of `store.maps`.
 * @param row Of the example.
 */
export async function strength(store, state, run, method, map, row) {
  const clip = (await widest(store, state.scale, run, method, map.name, row)) || map.clip[row];
  return map.scale[row] && clip ? map.scale[row] / 127 / clip : 0;
}

/** The largest clip that the scale spans; 0 where it is the map's own, and where the log does not tell. */
async function widest(store, scale, run, method, name, row) {
  if (scale === 'map') return 0;
  const runs = scale === 'all' ? store.runs : [run];
  const all = await Promise.all(runs.map((each) => store.series(each, method)));
  const largest = (series) => series?.largest(clips(series, name), scale === 'all' ? null : row) ?? 0;
  return Math.max(...all.map(largest));
}

/** The column with the clips of an input: of nested inputs each has one. */
const clips = ({ columns }, name) => (columns.includes(`clip/${name}`) ? `clip/${name}` : 'clip');

/** The value that full colour stands for. */
export const full = (map, row, worth) => (worth ? map.scale[row] / 127 / worth : 0);

/** The codes of an example. */
export function codes(map, row) {
  const size = map.data.length / map.shape[0];
  return map.data.subarray(row * size, (row + 1) * size);
}

/** The values of an example, NaN where there are none. */
export const values = (map, row) =>
  Float64Array.from(codes(map, row), (code) => (code === -128 ? NaN : (code / 127) * map.scale[row]));
