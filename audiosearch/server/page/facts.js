// What is known of each recording, asked for once; whoever changes it tells all who show it.

import { getJson, segment, send } from "./api.js";
import { queued, RecentMap, URGENCY } from "./loader.js";

/** @typedef {import("./types.js").Details} Details */

/** @type {RecentMap<number, Details>} */
const known = new RecentMap(2000);

/** `change` events carry the recording's number. */
export const changes = new EventTarget();

/** @param {number} recording */
const of = (recording) => `/api/recordings/${segment(recording)}`;

/**
 * @param {number} recording
 * @returns {Details | undefined} what is known already
 */
export function factsOf(recording) {
  return known.get(recording);
}

/**
 * @param {number} recording
 * @param {AbortSignal} signal
 * @returns {Promise<Details>}
 */
export async function loadFacts(recording, signal) {
  const kept = known.get(recording);
  if (kept) return kept;
  const details = await queued(signal, URGENCY.text, () => getJson(of(recording), signal));
  known.set(recording, details);
  return details;
}

/**
 * Ask again, since something was written.
 *
 * @param {number} recording
 */
export async function refreshFacts(recording) {
  known.set(recording, await getJson(of(recording)));
  changes.dispatchEvent(new CustomEvent("change", { detail: recording }));
}

/**
 * @param {number} recording
 * @param {string} tag
 * @param {boolean} on
 */
export async function setTag(recording, tag, on) {
  await send(on ? "PUT" : "DELETE", `${of(recording)}/tags/${segment(tag)}`);
  await refreshFacts(recording);
}

/**
 * @param {number} recording
 * @param {number | null} rating
 */
export async function setRating(recording, rating) {
  await send("PUT", `${of(recording)}/rating`, { rating });
  await refreshFacts(recording);
}

/**
 * @param {number} recording
 * @param {boolean} favourite
 */
export async function setFavourite(recording, favourite) {
  await send("PUT", `${of(recording)}/favourite`, { favourite });
  await refreshFacts(recording);
}

/**
 * @param {number} recording
 * @param {string} note
 */
export async function setNote(recording, note) {
  await send("PUT", `${of(recording)}/note`, { note });
  await refreshFacts(recording);
}
