// The list of what was found: which line is the current one, what is ticked, what plays.

import { byId, h } from "./dom.js";
import { hitKey } from "./player.js";
import { Row } from "./row.js";
import { linesOf } from "./search.js";
import { VirtualList } from "./virtual_list.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./row.js").RowActions} RowActions */

const DIVIDER_PX = 30;

export class Results {
  /**
   * @param {Omit<RowActions, "focus">} actions
   * @param {() => void} onEnd
   * @param {() => void} onCurrent
   */
  constructor(actions, onEnd, onCurrent) {
    this.feed = byId("feed", HTMLElement);
    this.viewport = byId("results", HTMLElement);
    /** @type {Line[]} */
    this.lines = [];
    this.firstWeak = -1;
    this.current = -1;
    this.onCurrent = onCurrent;
    /** @type {Map<number, Row>} */
    this.rows = new Map();
    this.rowActions = { ...actions, focus: (/** @type {number} */ index) => this.mark(index) };
    this.list = new VirtualList({
      viewport: this.viewport,
      content: this.feed,
      rowHeight: () => Number.parseFloat(getComputedStyle(this.feed).getPropertyValue("--row-height")) || 92,
      render: (index) => this.render(index),
      release: (index) => {
        this.rows.get(index)?.close();
        this.rows.delete(index);
      },
      onEnd,
    });
  }

  /**
   * @param {readonly Hit[]} hits
   * @param {{grouped: boolean, goesOn: boolean}} how
   */
  show(hits, { grouped, goesOn }) {
    const before = this.lines;
    const hadFocus = this.feed.contains(document.activeElement);
    this.lines = linesOf(hits, grouped);
    const isSame = (/** @type {number} */ n) =>
      before[n]?.hit.recording_id === this.lines[n]?.hit.recording_id &&
      before[n]?.hit.start_s === this.lines[n]?.hit.start_s &&
      before[n]?.moments.length === this.lines[n]?.moments.length;
    if (goesOn) this.keepWords(before);
    let keep = 0;
    if (goesOn) while (keep < before.length && keep < this.lines.length && isSame(keep)) keep += 1;
    const weak = this.lines.findIndex((each) => each.hit.weak);
    this.firstWeak = weak >= 0 && this.lines.slice(weak).every((each) => each.hit.weak) ? weak : -1;
    if (!goesOn) {
      this.current = -1;
      this.list.pinned = -1;
      this.viewport.scrollTop = 0;
    }
    this.feed.hidden = !this.lines.length;
    this.feed.classList.remove("stale");
    for (const row of this.rows.values()) row.element.setAttribute("aria-setsize", String(this.lines.length));
    this.list.reset(this.lines.length, { gapAt: this.firstWeak, gap: DIVIDER_PX, keep });
    this.feed.setAttribute("aria-busy", "false");
    if (!goesOn && this.lines.length) this.rows.get(0)?.element.setAttribute("tabindex", "0");
    // Whoever was in the list when its lines were replaced still is, and keys go on.
    if (hadFocus && !this.feed.contains(document.activeElement)) {
      if (this.lines.length) this.go(Math.max(0, this.current));
      else this.viewport.focus();
    }
  }

  /** What is shown is no answer to what is asked now. */
  showStale() {
    this.feed.classList.add("stale");
  }

  /**
   * More of an answer comes without what each word counted: of what was there it is known.
   *
   * @param {readonly Line[]} before
   */
  keepWords(before) {
    const told = new Map(before.map(({ hit }) => [hitKey(hit), hit.words]));
    for (const { hit } of this.lines) {
      const words = told.get(hitKey(hit));
      if (words && !hit.words) hit.words = words;
    }
  }

  /** @param {number} index */
  render(index) {
    const line = this.lines[index];
    if (!line) return h("div");
    const row = new Row(line, index, this.lines.length, index === this.firstWeak, this.rowActions);
    if (index === this.current || (this.current < 0 && index === 0)) row.element.tabIndex = 0;
    row.element.classList.toggle("current", index === this.current);
    this.rows.set(index, row);
    return row.element;
  }

  /** @returns {Line | null} */
  get line() {
    return this.lines[this.current] ?? null;
  }

  /** @param {number} index the line that keys are now for */
  mark(index) {
    if (index === this.current) return;
    const before = this.rows.get(this.current < 0 ? 0 : this.current)?.element;
    this.current = index;
    this.list.pinned = index;
    if (before) {
      before.tabIndex = -1;
      before.classList.remove("current");
    }
    const now = this.rows.get(index)?.element;
    if (now) {
      now.tabIndex = 0;
      now.classList.add("current");
    }
    this.onCurrent();
  }

  /**
   * @param {number} index
   * @returns {Line | null} the line that is now the current one
   */
  go(index) {
    if (!this.lines.length) return null;
    const to = Math.min(this.lines.length - 1, Math.max(0, index));
    const element = this.list.reveal(to);
    this.mark(to);
    element?.focus({ preventScroll: true });
    return this.lines[to] ?? null;
  }

  /** @param {Hit | null} hit what plays */
  showPlaying(hit) {
    for (const row of this.rows.values()) {
      const isThis = hit !== null && row.line.moments.some((each) => hitKey(each) === hitKey(hit));
      row.showPlaying(isThis);
      if (!isThis) row.wave.showHead(null);
    }
  }

  /**
   * @param {Hit} hit
   * @param {number} at_s
   */
  showHead(hit, at_s) {
    for (const row of this.rows.values()) {
      if (row.element.classList.contains("playing")) row.wave.showHead(at_s);
      else if (row.line.hit.recording_id === hit.recording_id) row.wave.showHead(null);
    }
  }

  redraw() {
    for (const row of this.rows.values()) row.wave.redraw();
  }

  /** What is known of the recordings that are seen is asked for again, where it may be old. */
  loadFacts() {
    for (const row of this.rows.values()) row.loadFacts();
  }

  /** What is ticked has changed elsewhere. */
  showTicks() {
    for (const row of this.rows.values()) row.tick.checked = this.rowActions.isTicked(row.line);
  }
}
