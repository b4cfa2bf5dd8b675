// How it is said that something did not work, and what to do about it.

import { ApiError, isAway } from "./api.js";
import { h, notify } from "./dom.js";

/**
 * Do it, or say why not.
 *
 * @param {() => Promise<void>} act
 */
export async function attempt(act) {
  try {
    await act();
  } catch (error) {
    showProblem(error);
  }
}

/**
 * @param {unknown} error
 * @param {{untilAnswer?: boolean}} [how] as of `notify`
 */
export function showProblem(error, { untilAnswer = isAway(error) } = {}) {
  notify(messageOf(error), { remedy: remedyOf(error), isError: true, untilAnswer });
}

/**
 * The same in the place of what was to be shown.
 *
 * @param {unknown} error
 */
export function problem(error) {
  const remedy = remedyOf(error);
  return h("p", { class: "problem" }, messageOf(error), remedy ? h("small", {}, ` ${remedy}`) : null);
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {unknown} error */
function remedyOf(error) {
  return error instanceof ApiError ? error.remedy : null;
}
