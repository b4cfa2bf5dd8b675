// Every request to the server. Only numbers of recordings go there, never paths.

/** @typedef {import("./types.js").Stretch} Stretch */

/** What the server says went wrong, and what to do about it. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where no server answered
   * @param {string} message
   * @param {string | null} remedy
   */
  constructor(status, message, remedy) {
    super(message);
    this.status = status;
    this.remedy = remedy;
  }
}

/** `locked` events tell that the server asks for a token, or for another one. */
export const refusals = new EventTarget();

/**
 * Whether nothing is wrong with what was asked: asked again later, it may be answered.
 *
 * @param {unknown} error
 */
export function isAway(error) {
  return error instanceof ApiError && (error.status === 0 || error.status >= 500);
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function request(path, init = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.", "Is `audiosearch serve` still running?");
  }
  if (response.ok) return response;
  let message = `The server answered ${response.status}.`;
  let remedy = null;
  try {
    const told = await response.json();
    if (typeof told.error === "string") message = told.error;
    if (typeof told.remedy === "string") remedy = told.remedy;
  } catch {
    // No JSON: the status has to do.
  }
  if (response.status === 401) refusals.dispatchEvent(new Event("locked"));
  throw new ApiError(response.status, message, remedy);
}

/**
 * See that there is an answer, without it.
 *
 * @param {string} path
 */
export async function check(path) {
  try {
    await request(path, { method: "HEAD" });
  } catch (error) {
    if (!(error instanceof ApiError) || !error.status) throw error;
    const reading = new AbortController();
    await request(path, { signal: reading.signal }); // tells why not, as HEAD cannot
    reading.abort();
  }
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function getJson(path, signal) {
  return (await request(path, { signal: signal ?? null })).json();
}

/**
 * A list that the server keeps; each is an object with the list below its name.
 *
 * @param {"collections" | "failed" | "roots" | "searches" | "tags"} name
 * @param {AbortSignal} [signal]
 * @returns {Promise<Record<string, any>[]>}
 */
export async function getList(name, signal) {
  return (await getJson(`/api/${name}`, signal))[name];
}

/**
 * @param {string} path
 * @param {unknown} body as JSON
 * @returns {Promise<Response>}
 */
export function post(path, body) {
  return request(path, { method: "POST", ...asJson(body) });
}

/**
 * Have something written. The answer is read to its end: until then the connection is taken.
 *
 * @param {"PUT" | "POST" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body] as JSON
 */
export async function send(method, path, body) {
  await sendFor(method, path, body);
}

/**
 * The same, for the answer's sake.
 *
 * @param {"PUT" | "POST" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body] as JSON
 * @returns {Promise<any>} null where the answer is empty
 */
export async function sendFor(method, path, body) {
  const response = await request(path, { method, ...(body === undefined ? {} : asJson(body)) });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** @param {unknown} body */
function asJson(body) {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/**
 * A segment of a path that holds anything, such as a tag with a slash.
 *
 * @param {string | number} value
 */
export function segment(value) {
  return encodeURIComponent(value);
}

/**
 * Where a recording's sound is; with a stretch, that alone.
 *
 * @param {number} recording
 * @param {{stretch?: Stretch, from?: number, format?: string, download?: boolean}} [what]
 */
export function audioUrl(recording, { stretch, from, format, download } = {}) {
  const query = new URLSearchParams();
  if (stretch) {
    query.set("start", seconds(stretch.start_s));
    query.set("end", seconds(stretch.end_s));
  } else if (from !== undefined) {
    query.set("start", seconds(from));
  }
  if (format) query.set("format", format);
  if (download) query.set("download", "true");
  const asked = query.toString();
  return `/api/recordings/${recording}/audio${asked ? `?${asked}` : ""}`;
}

/**
 * A stretch in a query: to the microsecond, as the library keeps times.
 *
 * @param {number} value
 */
export function seconds(value) {
  return String(Number(value.toFixed(6)));
}
