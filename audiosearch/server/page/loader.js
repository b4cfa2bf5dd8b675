// Loads what rows show, the newest wish first and few at a time: a browser opens six connections to
// a server, and sound and answers must not wait behind pictures.

const AT_ONCE = 3;

/**
 * @typedef {object} Wish
 * @property {() => Promise<void>} begin
 * @property {AbortSignal} signal
 */

/** @type {Wish[]} */
const wishes = [];
let running = 0;

function next() {
  while (running < AT_ONCE) {
    const wish = wishes.pop();
    if (!wish) return;
    if (wish.signal.aborted) continue;
    running += 1;
    wish.begin().finally(() => {
      running -= 1;
      next();
    });
  }
}

/**
 * @template T
 * @param {AbortSignal} signal the row is gone: nothing is wanted any more
 * @param {() => Promise<T>} load
 * @returns {Promise<T>}
 */
export function queued(signal, load) {
  return new Promise((resolve, reject) => {
    wishes.push({ signal, begin: () => load().then(resolve, reject) });
    next();
  });
}

/**
 * What was used last, up to a number of things.
 *
 * @template V
 */
export class RecentMap {
  /** @param {number} limit */
  constructor(limit) {
    this.limit = limit;
    /** @type {Map<string, V>} */
    this.map = new Map();
  }

  /**
   * @param {string} key
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
   * @param {string} key
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

  /** @param {string} key */
  delete(key) {
    this.map.delete(key);
  }
}
