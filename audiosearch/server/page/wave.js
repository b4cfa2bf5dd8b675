// A stretch of a recording to look at, point at and drag over: waveform over spectrogram, what was
// found marked, where playing is.

import { h } from "./dom.js";
import { clockRange } from "./format.js";
import { painted } from "./loader.js";
import { drawPeaks, drawSpectrogram, loadPeaks, loadSpectrogram } from "./pictures.js";

/** @typedef {import("./types.js").Stretch} Stretch */
/** @typedef {import("./types.js").Peaks} Peaks */
/** @typedef {import("./types.js").Spectrogram} Spectrogram */

const SHORT_S = 60; // a recording of at most this is seen as a whole
const DRAG_PX = 4; // less is a click
const LEAST_S = 0.05; // of a stretch that is dragged

/**
 * @typedef {object} WaveOptions
 * @property {number} recording
 * @property {string} name
 * @property {Stretch} view what is shown
 * @property {Stretch[]} marks what was found, the best first
 * @property {{width: number, height: number}} size of the pictures asked for
 * @property {boolean} [away] the file is not there now: there is nothing to draw
 * @property {(at_s: number) => void} onSeek
 * @property {(stretch: Stretch) => void} onSelect
 */

/**
 * What of a recording a line shows: all of it, where that is short or all moments are asked for;
 * else the surroundings of the stretch.
 *
 * @param {Stretch} found
 * @param {number} duration
 * @param {boolean} whole
 * @returns {Stretch}
 */
export function viewOf(found, duration, whole) {
  const end = Math.max(duration, found.end_s);
  if (whole || end <= SHORT_S) return { start_s: 0, end_s: end };
  const length = Math.min(end, Math.max(SHORT_S / 2, 4 * (found.end_s - found.start_s)));
  const middle = (found.start_s + found.end_s) / 2;
  const start = Math.min(Math.max(0, middle - length / 2), end - length);
  return { start_s: start, end_s: start + length };
}

export class Wave {
  /** @param {WaveOptions} options */
  constructor(options) {
    this.options = options;
    this.view = options.view;
    this.gone = new AbortController();
    this.spectrogram = h("canvas", { class: "spectrogram", "aria-hidden": "true" });
    this.waveform = h("canvas", { class: "waveform", "aria-hidden": "true" });
    this.head = h("div", { class: "playhead", hidden: true });
    this.selection = h("div", { class: "selection", hidden: true });
    this.marks = h("div", { class: "marks" });
    this.element = h(
      "div",
      { class: "wave loading", role: "img", "aria-label": this.spoken() },
      this.spectrogram,
      this.waveform,
      this.marks,
      this.selection,
      this.head,
    );
    this.element.addEventListener("pointerdown", (event) => this.press(event));
    /** @type {Peaks | null} */
    this.peaks = null;
    /** @type {Spectrogram | null} */
    this.greys = null;
    this.showMarks();
    if (options.away) this.element.classList.add("no-picture");
    else this.load();
  }

  spoken() {
    const found = this.options.marks.map(clockRange).slice(0, 5).join(", ");
    return `Sound of ${this.options.name}, ${clockRange(this.view)}${found ? `; found at ${found}` : ""}`;
  }

  load() {
    const { recording, size } = this.options;
    const { signal } = this.gone;
    const ignore = () => {
      if (!signal.aborted) this.element.classList.add("no-picture");
    };
    const { view } = this;
    painted()
      .then(() => loadPeaks(recording, view, size.width, signal))
      .then((peaks) => {
        if (signal.aborted) return;
        this.peaks = peaks;
        drawPeaks(this.waveform, peaks);
        this.element.classList.remove("loading");
      })
      .catch(ignore);
    painted()
      .then(() => loadSpectrogram(recording, view, size, signal))
      .then((spectrogram) => {
        if (signal.aborted) return;
        this.greys = spectrogram;
        drawSpectrogram(this.spectrogram, spectrogram);
      })
      .catch(ignore);
  }

  /** The theme or the size has changed. */
  redraw() {
    if (this.peaks) drawPeaks(this.waveform, this.peaks);
    if (this.greys) drawSpectrogram(this.spectrogram, this.greys);
  }

  /** @param {Stretch} view */
  look(view) {
    this.gone.abort();
    this.gone = new AbortController();
    this.view = view;
    this.selection.hidden = true;
    this.element.setAttribute("aria-label", this.spoken());
    this.showMarks();
    this.load();
  }

  close() {
    this.gone.abort();
  }

  showMarks() {
    this.marks.replaceChildren(
      ...this.options.marks.map((each, n) => {
        const mark = h("div", { class: n ? "mark" : "mark best" });
        this.lay(mark, each);
        return mark;
      }),
    );
  }

  /**
   * @param {HTMLElement} element
   * @param {Stretch} stretch
   */
  lay(element, stretch) {
    const { start_s: start, end_s: end } = this.view;
    const left = Math.max(0, (stretch.start_s - start) / (end - start));
    const right = Math.min(1, (stretch.end_s - start) / (end - start));
    element.hidden = right <= 0 || left >= 1;
    element.style.left = `${100 * left}%`;
    element.style.width = `${100 * Math.max(0, right - left)}%`;
  }

  /** @param {number | null} at_s */
  showHead(at_s) {
    const { start_s: start, end_s: end } = this.view;
    this.head.hidden = at_s === null || at_s < start || at_s > end;
    if (at_s !== null) this.head.style.left = `${(100 * (at_s - start)) / (end - start)}%`;
  }

  /** @param {PointerEvent} event */
  timeAt(event) {
    const box = this.element.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / (box.width || 1)));
    return this.view.start_s + share * (this.view.end_s - this.view.start_s);
  }

  /** @param {PointerEvent} down */
  press(down) {
    if (down.button !== 0) return;
    const from = this.timeAt(down);
    let dragged = false;
    const ended = new AbortController();
    const listen = { signal: ended.signal };
    /** @param {PointerEvent} event */
    const stretch = (event) => {
      const to = this.timeAt(event);
      return { start_s: Math.min(from, to), end_s: Math.max(from, to) };
    };
    if (down.pointerType === "mouse") this.element.setPointerCapture(down.pointerId);
    this.element.addEventListener(
      "pointermove",
      (event) => {
        if (!dragged && Math.abs(event.clientX - down.clientX) < DRAG_PX) return;
        dragged = true;
        this.lay(this.selection, stretch(event));
      },
      listen,
    );
    this.element.addEventListener(
      "pointerup",
      (event) => {
        ended.abort();
        const chosen = stretch(event);
        if (!dragged) this.options.onSeek(from);
        else if (chosen.end_s - chosen.start_s >= LEAST_S) this.options.onSelect(chosen);
      },
      listen,
    );
    this.element.addEventListener("pointercancel", () => ended.abort(), listen);
  }

  /** @param {Stretch | null} stretch */
  showSelection(stretch) {
    if (stretch) this.lay(this.selection, stretch);
    else this.selection.hidden = true;
  }
}
