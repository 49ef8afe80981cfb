/** Where the data come from: TensorBoard's server, or the page itself. */

const query = (values) => new URLSearchParams(values).toString();

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path.split('?')[0]}: ${await response.text()}`);
  return response;
}

/** The routes of `plugin.py`, relative to the page. */
export const server = {
  index: async () => (await get('./index')).json(),
  scalars: async () => (await get('./scalars')).json(),
  blob: async (key, time) => (await get(`./blob?${query({ key, time })}`)).arrayBuffer(),
  series: async (run, method, time) => (await get(`./series?${query({ run, method, time })}`)).arrayBuffer(),
};

/** What `html.py` has put into the page: the same answers, in base 64 where they are bytes. */
export function embedded(data) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  return {
    index: async () => data.index,
    scalars: async () => data.scalars,
    blob: async (key) => bytes(data.blobs[key]),
    series: async (run, method) => bytes(data.series[JSON.stringify([run, method])]),
  };
}
