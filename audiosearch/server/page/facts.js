// What is known of recordings, asked for once; whoever changes it tells all who show it. Lines show
// little of many recordings, a panel shows all of one.

import { getJson, segment, sendFor } from "./api.js";
import { painted, queued, RecentMap, URGENCY } from "./loader.js";

/** @typedef {import("./types.js").Details} Details */
/** @typedef {import("./types.js").Facts} Facts */
/** @typedef {import("./types.js").Written} Written */

const AT_ONCE = 100; // recordings that the server tells of in one answer

/** @type {RecentMap<number, Facts>} */
const known = new RecentMap(2000);
/** @type {RecentMap<number, Details>} */
const detailed = new RecentMap(20);

/** @type {RecentMap<number, number>} the round in which it was asked for */
const roundOf = new RecentMap(2000);
let round = 0;

/** @type {RecentMap<number, {turn: number, now: Written}>} */
const written = new RecentMap(200);
let turn = 0;

/** `change` events carry the recording's number. */
export const changes = new EventTarget();

/** @param {number} recording */
const of = (recording) => `/api/recordings/${segment(recording)}`;

/**
 * @param {number} recording
 * @returns {Facts | undefined} what is known already
 */
export function factsOf(recording) {
  return known.get(recording);
}

/**
 * @param {number} recording
 * @returns {Details | undefined} all of it, where that is known already
 */
export function detailsOf(recording) {
  return detailed.get(recording);
}

/** What is known may be old: it is shown until the next `loadFacts`, which asks for it again. */
export function renewFacts() {
  round += 1;
}

/** @type {{recording: number, signal: AbortSignal, resolve: () => void, reject: (error: unknown) => void}[]} */
let wishes = [];

/**
 * Have `factsOf` know it. What many lines wish in one frame is asked for together.
 *
 * @param {number} recording
 * @param {AbortSignal} signal the line is gone
 * @returns {Promise<void>} never settles where the line is gone
 */
export function loadFacts(recording, signal) {
  if (known.get(recording) && roundOf.get(recording) === round) return Promise.resolve();
  return new Promise((resolve, reject) => {
    if (!wishes.length) void painted().then(askTogether);
    wishes.push({ recording, signal, resolve, reject });
  });
}

function askTogether() {
  const all = wishes.filter((each) => !each.signal.aborted);
  wishes = [];
  for (let at = 0; at < all.length; at += AT_ONCE) {
    const some = all.slice(at, at + AT_ONCE);
    queued(new AbortController().signal, URGENCY.text, () => load(some.map((each) => each.recording))).then(
      () => some.forEach((each) => each.resolve()),
      (error) => some.forEach((each) => each.reject(error)),
    );
  }
}

/** @param {readonly number[]} recordings */
async function load(recordings) {
  const query = new URLSearchParams([...new Set(recordings)].map((each) => ["id", String(each)]));
  const began = turn;
  const now = round;
  const told = await getJson(`/api/recordings?${query}`);
  for (const each of told.recordings) {
    known.set(each.recording_id, { ...each, ...since(each.recording_id, began) });
    roundOf.set(each.recording_id, now);
  }
}

/**
 * What was written while an answer was on its way, which may not know of it.
 *
 * @param {number} recording
 * @param {number} began the turn in which it was asked for
 */
function since(recording, began) {
  const last = written.get(recording);
  if (!last || last.turn <= began) return {};
  const { tags_given, rating, favourite } = last.now;
  return { tags_given, rating, favourite };
}

/**
 * All of one recording, as it is now.
 *
 * @param {number} recording
 * @param {AbortSignal} signal
 * @returns {Promise<Details>}
 */
export async function loadDetails(recording, signal) {
  const began = turn;
  const told = await queued(signal, URGENCY.text, () => getJson(of(recording), signal));
  const last = written.get(recording);
  /** @type {Details} */
  const details = last && last.turn > began ? { ...told, ...last.now } : told;
  detailed.set(recording, details);
  const facts = known.get(recording);
  if (facts) {
    const { tags = [], tags_given = [], rating = null, favourite = false } = details;
    known.set(recording, { ...facts, tags, tags_given, rating, favourite });
    tell(recording);
  }
  return details;
}

/**
 * Ask again, since something was written.
 *
 * @param {readonly number[]} recordings
 */
export async function refreshFacts(recordings) {
  const none = new AbortController().signal;
  for (let at = 0; at < recordings.length; at += AT_ONCE) await load(recordings.slice(at, at + AT_ONCE));
  for (const each of recordings) if (detailed.get(each)) await loadDetails(each, none);
  recordings.forEach(tell);
}

/**
 * What is written of a sound now, as the answer to the writing has it.
 *
 * @param {number} recording
 * @param {Written} now
 */
function learn(recording, now) {
  turn += 1;
  written.set(recording, { turn, now });
  const facts = known.get(recording);
  if (facts) known.set(recording, { ...facts, ...since(recording, 0) });
  const details = detailed.get(recording);
  if (details) detailed.set(recording, { ...details, ...now });
  tell(recording);
}

/** @param {number} recording */
function tell(recording) {
  changes.dispatchEvent(new CustomEvent("change", { detail: recording }));
}

/**
 * @param {number} recording
 * @param {string} tag
 * @param {boolean} on
 */
export async function setTag(recording, tag, on) {
  learn(recording, await sendFor(on ? "PUT" : "DELETE", `${of(recording)}/tags/${segment(tag)}`));
}

/**
 * @param {number} recording
 * @param {number | null} rating
 */
export async function setRating(recording, rating) {
  learn(recording, await sendFor("PUT", `${of(recording)}/rating`, { rating }));
}

/**
 * @param {number} recording
 * @param {boolean} favourite
 */
export async function setFavourite(recording, favourite) {
  learn(recording, await sendFor("PUT", `${of(recording)}/favourite`, { favourite }));
}

/**
 * @param {number} recording
 * @param {string} note
 */
export async function setNote(recording, note) {
  learn(recording, await sendFor("PUT", `${of(recording)}/note`, { note }));
}
