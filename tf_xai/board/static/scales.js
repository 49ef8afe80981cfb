/** How much colour a value gets: the choice "scale" of the bar. Serves every view that draws maps. */

/**
 * What one code of a map is worth, where 1 has full colour, for every example; 0 for a map without any finite value, or
 * of zeros only.
 *
 * @param map A leaf of `store.maps`.
 */
export async function worths(store, state, run, method, map) {
  const widest = await clipsOf(store, state.scale, run, method, map.name);
  return map.scale.map((scale, row) => {
    const clip = widest(row) || map.clip[row];
    return scale && clip ? scale / 127 / clip : 0;
  });
}

/** The same for one example. */
export const strength = async (store, state, run, method, map, row) =>
  (await worths(store, state, run, method, map))[row] ?? 0;

/** The largest clip that the scale spans, by row; 0 where it is the map's own, and where the log does not tell. */
async function clipsOf(store, scale, run, method, name) {
  if (scale === 'map') return () => 0;
  const runs = scale === 'all' ? store.runs : [run];
  const all = (await Promise.all(runs.map((each) => store.series(each, method)))).filter(Boolean);
  const largest = (row) => Math.max(0, ...all.map((series) => series.largest(clips(series, name), row)));
  if (scale === 'example') return (row) => largest(row) || 0;
  const most = largest(null);
  return () => most;
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
