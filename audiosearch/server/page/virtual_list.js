// A list of any length in which only what is seen exists. All rows are of one height, but for a gap
// above one of them.

const AROUND = 4; // rows made above and below what is seen

/**
 * @typedef {object} ListOptions
 * @property {HTMLElement} viewport what scrolls
 * @property {HTMLElement} content what the rows lie in
 * @property {() => number} rowHeight in CSS pixels
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
    options.viewport.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(options.viewport);
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
    this.layout();
  }

  layout() {
    const height = this.options.rowHeight();
    const total = this.count * height + (this.gapAt >= 0 ? this.gap : 0);
    this.options.content.style.height = `${total}px`;
    for (const [index, element] of this.rows) this.place(index, element, height);
    this.update();
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.update();
    });
  }

  update() {
    const { viewport, content, onEnd } = this.options;
    const height = this.options.rowHeight();
    const top = viewport.scrollTop - content.offsetTop;
    const first = Math.max(0, this.indexAt(top, height) - AROUND);
    const last = Math.min(this.count - 1, this.indexAt(top + viewport.clientHeight, height) + AROUND);
    for (const index of [...this.rows.keys()]) {
      if ((index < first || index > last) && index !== this.pinned) this.drop(index);
    }
    for (let index = first; index <= last; index += 1) this.make(index, height);
    if (this.pinned >= 0 && this.pinned < this.count) this.make(this.pinned, height);
    if (last >= this.count - 1 - 2 * AROUND && this.count) onEnd();
  }

  /**
   * @param {number} y
   * @param {number} height
   */
  indexAt(y, height) {
    const start = this.gapAt >= 0 ? this.gapAt * height : Infinity;
    return Math.floor((y > start ? Math.max(start, y - this.gap) : y) / height);
  }

  /** @param {number} index */
  offsetOf(index) {
    const before = this.gapAt >= 0 && index >= this.gapAt ? this.gap : 0;
    return index * this.options.rowHeight() + before;
  }

  /**
   * @param {number} index
   * @param {number} height
   */
  make(index, height) {
    if (this.rows.has(index)) return;
    const element = this.options.render(index);
    this.place(index, element, height);
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
   * @param {number} height
   */
  place(index, element, height) {
    element.style.height = `${height}px`;
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
    const height = this.options.rowHeight();
    const top = content.offsetTop + this.offsetOf(index);
    const room = index === this.gapAt ? this.gap : 0;
    if (top - room < viewport.scrollTop) viewport.scrollTop = index ? top - room : 0;
    else if (top + height > viewport.scrollTop + viewport.clientHeight) {
      viewport.scrollTop = top + height - viewport.clientHeight;
    }
    this.update();
    return this.rows.get(index) ?? null;
  }
}
