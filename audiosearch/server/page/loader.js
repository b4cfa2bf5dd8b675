// Loads what lines show, few at a time and what matters most first: a browser opens six connections
// to a server, and sound and answers must not wait behind pictures.

const AT_ONCE = 3;

/** What is loaded before what; `long` keeps a server busy for seconds, so only one at a time. */
export const URGENCY = /** @type {const} */ ({ text: 0, picture: 1, long: 2 });

/**
 * @typedef {object} Wish
 * @property {() => Promise<void>} begin
 * @property {AbortSignal} signal
 * @property {number} urgency
 */

/** @type {Wish[]} */
let wishes = [];
let running = 0;
let isLongRunning = false;

/** @returns {Wish | undefined} */
function take() {
  wishes = wishes.filter((each) => !each.signal.aborted);
  const may = wishes.filter((each) => each.urgency < URGENCY.long || !isLongRunning);
  const least = Math.min(...may.map((each) => each.urgency));
  const wish = may.find((each) => each.urgency === least);
  if (wish) wishes.splice(wishes.indexOf(wish), 1);
  return wish;
}

function next() {
  while (running < AT_ONCE) {
    const wish = take();
    if (!wish) return;
    running += 1;
    if (wish.urgency === URGENCY.long) isLongRunning = true;
    void wish.begin().finally(() => {
      running -= 1;
      if (wish.urgency === URGENCY.long) isLongRunning = false;
      next();
    });
  }
}

/**
 * @template T
 * @param {AbortSignal} signal the line is gone: nothing is wanted any more
 * @param {number} urgency one of URGENCY
 * @param {() => Promise<T>} load
 * @returns {Promise<T>}
 */
export function queued(signal, urgency, load) {
  return new Promise((resolve, reject) => {
    wishes.push({ signal, urgency, begin: () => load().then(resolve, reject) });
    next();
  });
}

/** @type {Promise<void> | null} */
let painting = null;

/**
 * Settles once what the page shows now is on the screen: what is seen later must not hold it up. In a
 * tab that nobody sees that is when it is looked at.
 *
 * @returns {Promise<void>}
 */
export function painted() {
  // After the frame: a callback of the frame itself runs before its painting.
  painting ??= new Promise((resolve) => {
    requestAnimationFrame(() =>
      setTimeout(() => {
        painting = null;
        resolve();
      }),
    );
  });
  return painting;
}

/**
 * What was used last, up to a number of things.
 *
 * @template K, V
 */
export class RecentMap {
  /** @param {number} limit */
  constructor(limit) {
    this.limit = limit;
    /** @type {Map<K, V>} */
    this.map = new Map();
  }

  /**
   * @param {K} key
   * @returns {V | undefined}
   */
  get(key) {
    const value = this.map.get(key);
    if (value !== undefined) {
      this.map.delete(key);
      this.map.set(key, value);
    }
    return value;
  }

  /**
   * @param {K} key
   * @param {V} value
   */
  set(key, value) {
    this.map.delete(key);
    this.map.set(key, value);
    for (const oldest of this.map.keys()) {
      if (this.map.size <= this.limit) break;
      this.map.delete(oldest);
    }
  }
}
