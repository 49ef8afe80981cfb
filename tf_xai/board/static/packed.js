/** Blobs of FORMAT.md: a header and the arrays that it names. */

const TYPES = { int8: Int8Array, float32: Float32Array };

/** `{header, arrays}` of an ArrayBuffer; an array has the keys of its entry in the header, and `data`. */
export async function unpack(buffer) {
  if (buffer.byteLength < 4) throw new Error('a record ends before its header');
  const length = new DataView(buffer).getUint32(0, true);
  if (buffer.byteLength < 4 + length) throw new Error('a record ends within its header');
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  if (header.v !== 1) throw new Error(`it is in format ${header.v}, and this page reads format 1: update tf_xai`);
  const body = new Uint8Array(buffer, 4 + length);
  const arrays = await Promise.all(header.arrays.map((entry) => decode(entry, body)));
  return { header, arrays };
}

async function decode(entry, body) {
  const bytes = body.slice(entry.at, entry.at + entry.bytes);
  if (bytes.length < entry.bytes) throw new Error(`the record ends within ${entry.name || 'its array'}`);
  const data = await DECODERS[entry.encoding](bytes, entry);
  return { ...entry, data };
}

const DECODERS = {
  json: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
  zlib: async (bytes, { dtype }) => new TYPES[dtype](await inflate(bytes)),
  png: (bytes, { sizes }) => {
    let at = 0;
    const image = (size) => createImageBitmap(new Blob([bytes.subarray(at, (at += size))], { type: 'image/png' }));
    return Promise.all(sizes.map(image));
  },
};

function inflate(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
}
