// Waveforms and spectrograms: fetched once, drawn in the colours of the theme.

import { getJson, request, seconds } from "./api.js";
import { queued, RecentMap, URGENCY } from "./loader.js";

/** @typedef {import("./types.js").Peaks} Peaks */
/** @typedef {import("./types.js").Spectrogram} Spectrogram */
/** @typedef {import("./types.js").Stretch} Stretch */
/** @typedef {[number, number, number]} Colour */

const LONG_S = 600; // of more than this a picture takes a while

/** @type {RecentMap<string, Peaks>} */
const peaksKept = new RecentMap(400);
/** @type {RecentMap<string, Spectrogram>} */
const spectrogramsKept = new RecentMap(200);

/** @param {Stretch} stretch */
function urgencyOf(stretch) {
  return stretch.end_s - stretch.start_s > LONG_S ? URGENCY.long : URGENCY.picture;
}

/**
 * @param {"peaks" | "spectrogram"} kind
 * @param {number} recording
 * @param {Stretch} stretch
 * @param {Record<string, number>} size
 */
function pictureUrl(kind, recording, stretch, size) {
  const query = new URLSearchParams({ start: seconds(stretch.start_s), end: seconds(stretch.end_s) });
  for (const [name, value] of Object.entries(size)) query.set(name, String(value));
  return `/api/recordings/${recording}/${kind}?${query}`;
}

/**
 * @param {number} recording
 * @param {Stretch} stretch
 * @param {number} width how many pairs
 * @param {AbortSignal} signal
 * @returns {Promise<Peaks>}
 */
export async function loadPeaks(recording, stretch, width, signal) {
  const url = pictureUrl("peaks", recording, stretch, { width });
  const kept = peaksKept.get(url);
  if (kept) return kept;
  const peaks = await queued(signal, urgencyOf(stretch), () => getJson(url, signal));
  peaksKept.set(url, peaks);
  return peaks;
}

/**
 * @param {number} recording
 * @param {Stretch} stretch
 * @param {{width: number, height: number}} size
 * @param {AbortSignal} signal
 * @returns {Promise<Spectrogram>}
 */
export async function loadSpectrogram(recording, stretch, size, signal) {
  const url = pictureUrl("spectrogram", recording, stretch, size);
  const kept = spectrogramsKept.get(url);
  if (kept) return kept;
  const urgency = urgencyOf(stretch);
  const blob = await queued(signal, urgency, async () => (await request(url, { signal })).blob());
  const spectrogram = greys(await createImageBitmap(blob));
  spectrogramsKept.set(url, spectrogram);
  return spectrogram;
}

/**
 * @param {ImageBitmap} bitmap
 * @returns {Spectrogram}
 */
function greys(bitmap) {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser draws no pictures");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const grey = new Uint8ClampedArray(width * height);
  for (let i = 0; i < grey.length; i += 1) grey[i] = data[4 * i] ?? 0;
  return { width, height, grey };
}

/**
 * Draw greys in colours that go from `--spectrum-0` to `--spectrum-3` of the canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Spectrogram} spectrogram
 */
export function drawSpectrogram(canvas, { width, height, grey }) {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = width;
  canvas.height = height;
  const style = getComputedStyle(canvas);
  const stops = [0, 1, 2, 3].map((n) => colour(style.getPropertyValue(`--spectrum-${n}`)));
  const image = context.createImageData(width, height);
  const palette = ramp(stops);
  for (let i = 0; i < grey.length; i += 1) {
    const level = 3 * (grey[i] ?? 0);
    image.data[4 * i] = palette[level] ?? 0;
    image.data[4 * i + 1] = palette[level + 1] ?? 0;
    image.data[4 * i + 2] = palette[level + 2] ?? 0;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/**
 * @param {string} hex `#rrggbb`
 * @returns {Colour}
 */
function colour(hex) {
  const value = Number.parseInt(hex.trim().slice(1), 16) || 0;
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/**
 * @param {Colour[]} stops
 * @returns {Uint8ClampedArray} 256 colours
 */
function ramp(stops) {
  const palette = new Uint8ClampedArray(256 * 3);
  for (let level = 0; level < 256; level += 1) {
    const place = (level / 255) * (stops.length - 1);
    const from = Math.min(Math.floor(place), stops.length - 2);
    for (const channel of /** @type {const} */ ([0, 1, 2])) {
      const a = stops[from]?.[channel] ?? 0;
      const b = stops[from + 1]?.[channel] ?? 0;
      palette[3 * level + channel] = a + (b - a) * (place - from);
    }
  }
  return palette;
}

/**
 * Draw a waveform in the colour of the canvas's text, one bar for each of its pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Peaks} peaks
 */
export function drawPeaks(canvas, peaks) {
  const context = canvas.getContext("2d");
  const n = peaks.minimum.length;
  if (!context || !n) return;
  const scale = Math.min(devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  canvas.width = width;
  canvas.height = height;
  context.fillStyle = getComputedStyle(canvas).color;
  for (let x = 0; x < width; x += 1) {
    const from = Math.floor((x * n) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * n) / width));
    let low = 127;
    let high = -127;
    for (let i = from; i < to && i < n; i += 1) {
      low = Math.min(low, peaks.minimum[i] ?? 0);
      high = Math.max(high, peaks.maximum[i] ?? 0);
    }
    const top = (0.5 - high / 254) * height;
    context.fillRect(x, top, 1, Math.max(scale, ((high - low) / 254) * height));
  }
}
