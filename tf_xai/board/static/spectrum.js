/** Spectrograms. */

/** `{cos, sin}` of the angles -2 pi k / n. */
function roots(n) {
  const angles = Float64Array.from({ length: n / 2 }, (_, k) => (-2 * Math.PI * k) / n);
  return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
}

/** The discrete Fourier transform of a signal whose length is a power of two, in place: Cooley and Tukey. */
export function fourier(real, imaginary, known = roots(real.length)) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let start = 0; start < n; start += size) butterflies(real, imaginary, start, size, known);
  }
}

/** Joins the transforms of the even and the odd half of a stretch. */
function butterflies(real, imaginary, start, size, { cos, sin }) {
  const [half, step] = [size / 2, real.length / size];
  for (let k = 0; k < half; k++) {
    const [even, odd] = [start + k, start + k + half];
    const re = real[odd] * cos[k * step] - imaginary[odd] * sin[k * step];
    const im = real[odd] * sin[k * step] + imaginary[odd] * cos[k * step];
    [real[odd], imaginary[odd]] = [real[even] - re, imaginary[even] - im];
    [real[even], imaginary[even]] = [real[even] + re, imaginary[even] + im];
  }
}

/** The widest window that fits into a signal eight times: a power of two, 8 to 512. */
export const windowOf = (samples) => 2 ** Math.max(3, Math.min(9, Math.floor(Math.log2(Math.max(1, samples / 8)))));

/**
 * The power of a signal in time and frequency, in decibels below the largest.
 *
 * @param size Of the Hann window, a power of two.
 * @param most Frames: of longer signals the windows lie farther apart.
 * @returns `{decibels, frames, bins, hop}`, frame by frame; bin `b` is the frequency `b * rate / size`, and frame `f`
 *   has its middle at the sample `f * hop`.
 */
export function spectrogram(signal, size = windowOf(signal.length), most = 1000) {
  const hop = Math.max(size / 4, Math.ceil(signal.length / most));
  const frames = Math.max(1, Math.ceil(signal.length / hop));
  const bins = size / 2 + 1;
  const power = new Float64Array(frames * bins);
  const hann = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const known = roots(size);
  for (let frame = 0; frame < frames; frame++) {
    const from = frame * hop - size / 2;
    const heard = (at) => (Number.isFinite(signal[at]) ? signal[at] : 0); // outside, and where there is no number
    const real = hann.map((weight, i) => weight * heard(from + i));
    const imaginary = new Float64Array(size);
    fourier(real, imaginary, known);
    for (let bin = 0; bin < bins; bin++) power[frame * bins + bin] = real[bin] ** 2 + imaginary[bin] ** 2;
  }
  const peak = power.reduce((a, b) => Math.max(a, b), 0) || 1;
  const decibels = power.map((each) => 10 * Math.log10(Math.max(each / peak, 1e-12)));
  return { decibels, frames, bins, hop };
}

/** A canvas of a spectrogram in grey: time to the right, high frequencies above, black what is `range` dB down. */
export function picture({ decibels, frames, bins }, range = 80) {
  const canvas = Object.assign(document.createElement('canvas'), { width: frames, height: bins });
  const image = new ImageData(frames, bins);
  for (let frame = 0; frame < frames; frame++) {
    for (let bin = 0; bin < bins; bin++) {
      const grey = 255 * Math.max(0, 1 + decibels[frame * bins + bin] / range);
      image.data.set([grey, grey, grey, 255], 4 * ((bins - 1 - bin) * frames + frame));
    }
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}
