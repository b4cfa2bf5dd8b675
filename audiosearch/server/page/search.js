// Asks the question that the address holds, soon after it changes; an answer that comes after a
// later question was asked is dropped.

import { getJson, isAway, request, segment } from "./api.js";
import { isQuestion, readLike, searchParams } from "./state.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Upload} Upload */

export const PAGE = 60; // hits asked for at first
const MOST = 100_000;
const DELAY_MS = 150; // after a key
const ONLY_WORDS = ["moments", "by-time", "per-file", "without", "like-weight", "between", "date", "exhaustive", "explain"];

/**
 * @typedef {object} Outcome
 * @property {Answer} answer
 * @property {number} limit what was asked for
 * @property {boolean} goesOn the same question as before, with more of its answer
 * @property {number} ms from asking to answering
 */

/**
 * @typedef {object} Failure
 * @property {unknown} error
 * @property {boolean} goesOn what is shown answers the question all the same
 */

/**
 * Where and what to ask.
 *
 * @param {State} state
 * @param {number} limit
 * @param {Upload | undefined} upload the sound that `like` means, where this tab holds it
 * @returns {{path: string, body: Blob | null} | null} null where nothing is asked
 */
export function question(state, limit, upload) {
  if (state.show) return { path: `/api/collections/${segment(state.show)}`, body: null };
  if (!isQuestion(state)) return null;
  const query = searchParams(state);
  if (!query.has("limit")) query.set("limit", String(limit));
  const like = readLike(state.like);
  if (isBySound(state)) {
    for (const name of ["like", "q", ...ONLY_WORDS]) query.delete(name);
    if (like) {
      query.set("recording", String(like.recording));
      if (like.stretch) {
        query.set("start", String(like.stretch.start_s));
        if (like.stretch.end_s < Infinity) query.set("end", String(like.stretch.end_s));
      }
    }
    return { path: `/api/similar?${query}`, body: upload?.body ?? null };
  }
  if (!like) query.delete("like");
  // Why costs little of a few hits, and much of thousands.
  if (Number(query.get("limit")) <= PAGE && !query.has("moments")) query.set("explain", "true");
  return { path: `/api/find?${query}`, body: upload?.body ?? null };
}

/**
 * Whether an option has a say in what is asked. A question by a sound alone takes fewer than one in
 * words; a collection is shown as it is.
 *
 * @param {State} state
 * @param {string} option
 */
export function counts(state, option) {
  if (state.show) return false;
  return !isQuestion(state) || !isBySound(state) || !ONLY_WORDS.includes(option);
}

/** @param {State} state */
function isBySound(state) {
  return !state.q.trim() && !state.options["without"]?.length;
}

/**
 * Hits as lines: moments of one recording on one line, in the order of the first of them.
 *
 * @param {readonly Hit[]} hits
 * @param {boolean} grouped
 * @returns {Line[]}
 */
export function linesOf(hits, grouped) {
  if (!grouped) return hits.map((hit) => ({ hit, moments: [hit] }));
  /** @type {Map<number, Line>} */
  const lines = new Map();
  for (const hit of hits) {
    const line = lines.get(hit.recording_id);
    if (line) line.moments.push(hit);
    else lines.set(hit.recording_id, { hit, moments: [hit] });
  }
  return [...lines.values()];
}

/**
 * A collection as an answer; what of it the library has not now is counted.
 *
 * @param {{items: any[]}} told
 * @returns {Answer}
 */
function collected({ items }) {
  const here = items.filter((each) => each.recording_id !== null && each.path !== null);
  const hits = here.map((each, n) => ({ ...each, rank: n + 1, end_s: each.end_s ?? each.duration_s ?? 0 }));
  const away = items.length - hits.length;
  return { hits, remarks: away ? [`${away} more are not in the library now`] : [] };
}

/** Tells `busy`, `outcome` (an Outcome), `nothing` and `problem` (a Failure). */
export class Search extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, Upload>} */
    this.uploads = new Map();
    this.asked = 0;
    this.timer = 0;
    this.running = new AbortController();
    this.isRunning = false;
    /** @type {{state: State, limit: number, answer: Answer} | null} */
    this.last = null;
    /** @type {{state: State, limit: number, goesOn: boolean} | null} what the server was not there for */
    this.unanswered = null;
  }

  /**
   * @param {Upload} upload
   * @returns {string} what `like` is then
   */
  take(upload) {
    const name = `upload:${crypto.getRandomValues(new Uint32Array(2)).join("-")}`; // a step back to before a reload finds none
    this.uploads.set(name, upload);
    return name;
  }

  /**
   * @param {State} state
   * @param {boolean} typing
   */
  ask(state, typing) {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.run(state, PAGE, false), typing ? DELAY_MS : 0);
  }

  /** The end of what is shown is near: ask for more of it. */
  more() {
    if (!this.last || this.isRunning) return;
    const { state, limit, answer } = this.last;
    const isAll = !answer.more || state.options["limit"] || limit >= MOST;
    if (isAll || answer.hits.length < limit) return; // the weaker ones are no part of the limit
    void this.run(state, Math.min(MOST, limit * 4), true);
  }

  /** The server is there again: ask what it did not answer. */
  retry() {
    if (!this.unanswered || this.isRunning) return;
    const { state, limit, goesOn } = this.unanswered;
    void this.run(state, limit, goesOn);
  }

  again() {
    if (this.last) void this.run(this.last.state, this.last.limit, true);
  }

  /**
   * @param {State} state
   * @param {number} limit
   * @param {boolean} goesOn
   */
  async run(state, limit, goesOn) {
    this.running.abort();
    const running = new AbortController();
    this.running = running;
    this.asked += 1;
    this.unanswered = null;
    const turn = this.asked;
    const upload = this.uploads.get(state.like);
    if (state.like.startsWith("upload:") && !upload) {
      this.fail(new Error("The sound that was asked about is gone: drop it here again."), goesOn);
      return;
    }
    const asked = question(state, limit, upload);
    if (!asked) {
      this.last = null;
      this.isRunning = false;
      this.tell("nothing", null);
      return;
    }
    this.isRunning = true;
    this.tell("busy", null);
    const began = performance.now();
    try {
      const told = asked.body
        ? await this.post(asked.path, asked.body, running.signal)
        : await getJson(asked.path, running.signal);
      const answer = state.show ? collected(told) : told;
      if (turn !== this.asked) return;
      this.isRunning = false;
      this.last = { state, limit, answer };
      this.tell("outcome", { answer, limit, goesOn, ms: performance.now() - began });
    } catch (error) {
      if (turn !== this.asked) return;
      if (isAway(error)) this.unanswered = { state, limit, goesOn };
      this.fail(error, goesOn);
    }
  }

  /**
   * @param {unknown} error
   * @param {boolean} goesOn
   */
  fail(error, goesOn) {
    this.isRunning = false;
    if (!goesOn) this.last = null; // what is shown answers another question: no more of that
    /** @type {Failure} */
    const failure = { error, goesOn };
    this.tell("problem", failure);
  }

  /**
   * @param {string} path
   * @param {Blob} body
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  async post(path, body, signal) {
    const type = body.type.startsWith("audio/") ? body.type : "application/octet-stream";
    const init = { method: "POST", headers: { "Content-Type": type }, body, signal };
    return (await request(path, init)).json();
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
