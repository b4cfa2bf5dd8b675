// A list of any length in which only what is seen exists. All rows are of one height, but for a gap
// above one of them.

import { painted } from "./loader.js";

const AROUND = 4; // rows made above and below what is seen, once that is on the screen

/**
 * @typedef {object} ListOptions
 * @property {HTMLElement} viewport what scrolls
 * @property {HTMLElement} content what the rows lie in
 * @property {() => number} rowHeight in CSS pixels; asked for when the viewport has another size, since
 *     it may have the browser compute all styles anew
 * @property {(index: number) => HTMLElement} render
 * @property {(index: number, element: HTMLElement) => void} release
 * @property {() => void} onEnd the last rows are near
 */

export class VirtualList {
  /** @param {ListOptions} options */
  constructor(options) {
    this.options = options;
    this.count = 0;
    this.gapAt = -1;
    this.gap = 0;
    this.pinned = -1;
    /** @type {Map<number, HTMLElement>} */
    this.rows = new Map();
    this.frame = 0;
    this.height = options.rowHeight();
    options.viewport.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => {
      this.height = options.rowHeight();
      this.layout(AROUND);
    }).observe(options.viewport);
  }

  /**
   * Show other rows.
   *
   * @param {number} count
   * @param {{gapAt?: number, gap?: number, keep?: number}} [how] `keep`: so many first rows are as
   *     they were
   */
  reset(count, { gapAt = -1, gap = 0, keep = 0 } = {}) {
    const moved = gapAt !== this.gapAt || gap !== this.gap;
    this.count = count;
    this.gapAt = gapAt;
    this.gap = gap;
    for (const index of [...this.rows.keys()]) {
      if (index >= keep || moved) this.drop(index);
    }
    if (this.pinned >= count) this.pinned = -1;
    this.layout(0);
    void painted().then(() => this.update(AROUND));
  }

  /** @param {number} around */
  layout(around) {
    const total = this.count * this.height + (this.gapAt >= 0 ? this.gap : 0);
    this.options.content.style.height = `${total}px`;
    for (const [index, element] of this.rows) this.place(index, element);
    this.update(around);
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.update(AROUND);
    });
  }

  /** @param {number} around rows made above and below what is seen; of those there are, none is lost */
  update(around) {
    const { viewport, content, onEnd } = this.options;
    const top = viewport.scrollTop - content.offsetTop;
    const above = this.indexAt(top);
    const below = this.indexAt(top + viewport.clientHeight);
    const first = Math.max(0, above - around);
    const last = Math.min(this.count - 1, below + around);
    for (const index of [...this.rows.keys()]) {
      const isNear = index >= above - AROUND && index <= below + AROUND;
      if (!isNear && index !== this.pinned) this.drop(index);
    }
    for (let index = first; index <= last; index += 1) this.make(index);
    if (this.pinned >= 0 && this.pinned < this.count) this.make(this.pinned);
    if (last >= this.count - 1 - 2 * AROUND && this.count) onEnd();
  }

  /** @param {number} y */
  indexAt(y) {
    const start = this.gapAt >= 0 ? this.gapAt * this.height : Infinity;
    return Math.floor((y > start ? Math.max(start, y - this.gap) : y) / this.height);
  }

  /** @param {number} index */
  offsetOf(index) {
    const before = this.gapAt >= 0 && index >= this.gapAt ? this.gap : 0;
    return index * this.height + before;
  }

  /** @param {number} index */
  make(index) {
    if (this.rows.has(index)) return;
    const element = this.options.render(index);
    this.place(index, element);
    this.rows.set(index, element);
    // In the order of the list, for those who go through it by ear.
    const after = [...this.options.content.children].find(
      (each) => each instanceof HTMLElement && Number(each.dataset["index"]) > index,
    );
    element.dataset["index"] = String(index);
    this.options.content.insertBefore(element, after ?? null);
  }

  /**
   * @param {number} index
   * @param {HTMLElement} element
   */
  place(index, element) {
    element.style.height = `${this.height}px`;
    element.style.transform = `translateY(${this.offsetOf(index)}px)`;
  }

  /** @param {number} index */
  drop(index) {
    const element = this.rows.get(index);
    if (!element) return;
    this.rows.delete(index);
    this.options.release(index, element);
    element.remove();
  }

  /**
   * Bring a row into view, and keep it made while it is away.
   *
   * @param {number} index
   * @returns {HTMLElement | null}
   */
  reveal(index) {
    if (index < 0 || index >= this.count) return null;
    this.pinned = index;
    const { viewport, content } = this.options;
    const top = content.offsetTop + this.offsetOf(index);
    const bottom = top + this.height;
    const room = index === this.gapAt ? this.gap : 0;
    if (top - room < viewport.scrollTop) viewport.scrollTop = index ? top - room : 0;
    else if (bottom > viewport.scrollTop + viewport.clientHeight) viewport.scrollTop = bottom - viewport.clientHeight;
    this.update(AROUND);
    return this.rows.get(index) ?? null;
  }
}
