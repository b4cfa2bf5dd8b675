// The page's whole state stands in the address, so that every state is a link; names are those of
// the command's options.

/** @typedef {import("./types.js").State} State */

/** @returns {State} */
export function emptyState() {
  return { q: "", options: {}, like: "", show: "", panel: "" };
}

/**
 * @param {string} search what follows the path in an address
 * @returns {State}
 */
export function readState(search) {
  const state = emptyState();
  for (const [name, value] of new URLSearchParams(search)) {
    if (name === "q" || name === "like" || name === "show" || name === "panel") {
      state[name] = value;
    } else if (value) {
      (state.options[name] ??= []).push(value);
    }
  }
  return state;
}

/**
 * @param {State} state
 * @returns {string} `?...`, or nothing but `?` for the empty state
 */
export function writeState(state) {
  const query = searchParams(state);
  if (state.show) query.set("show", state.show);
  if (state.panel) query.set("panel", state.panel);
  return `?${query}`;
}

/**
 * What of the state is the question: words, a sound, options.
 *
 * @param {State} state
 */
export function searchParams(state) {
  const query = new URLSearchParams();
  if (state.q) query.set("q", state.q);
  if (state.like) query.set("like", state.like);
  for (const name of Object.keys(state.options).sort()) {
    for (const value of state.options[name] ?? []) query.append(name, value);
  }
  return query;
}

/**
 * Whether there is anything to answer.
 *
 * @param {State} state
 */
export function isQuestion(state) {
  return Boolean(state.q.trim() || state.like || state.options["without"]?.length);
}

/**
 * @param {string} like `ID@START-END`, or `ID`
 * @returns {{recording: number, stretch: import("./types.js").Stretch | null} | null}
 */
export function readLike(like) {
  const found = /^(\d+)(?:@([\d.]+)-([\d.]*))?$/u.exec(like);
  if (!found) return null;
  const start = Number(found[2]);
  const end = found[3] ? Number(found[3]) : Infinity;
  return {
    recording: Number(found[1]),
    stretch: found[2] === undefined ? null : { start_s: start, end_s: end }, // to Infinity: to its end
  };
}

/** A state that changes, and the address with it. `change` events tell that it has. */
export class Address extends EventTarget {
  constructor() {
    super();
    this.state = readState(location.search);
    this.typed = 0;
    addEventListener("popstate", () => {
      this.typed = 0;
      this.state = readState(location.search);
      this.dispatchEvent(new CustomEvent("change", { detail: { typing: false } }));
    });
  }

  /**
   * @param {Partial<State>} changes
   * @param {{typing?: boolean, replace?: boolean}} [how] while one types, the address is kept up
   *     without a step back for each letter
   */
  change(changes, { typing = false, replace = false } = {}) {
    const next = { ...this.state, ...changes };
    const before = writeState(this.state);
    this.state = next;
    const after = writeState(next);
    if (after === before) return;
    const now = performance.now();
    const goesOn = typing && now - this.typed < 2000 && this.typed > 0;
    this.typed = typing ? now : 0;
    history[goesOn || replace ? "replaceState" : "pushState"](null, "", after);
    this.dispatchEvent(new CustomEvent("change", { detail: { typing } }));
  }

  /**
   * @param {string} name
   * @param {string[]} values
   */
  setOption(name, values) {
    const options = { ...this.state.options };
    if (values.length) options[name] = values;
    else delete options[name];
    this.change({ options });
  }
}
