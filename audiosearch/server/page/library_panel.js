// The library itself: folders, what is being indexed, what failed and why, the model, findings.

import { getJson, getList, send } from "./api.js";
import { byId, h, notify } from "./dom.js";
import { counted, duration, size } from "./format.js";
import { attempt, problem } from "./problems.js";

/** @typedef {Record<string, any>} Row */

const MODEL_FACTS = ["name", "version", "licence", "description", "words", "sample_rate", "window_s", "path"];
const AGAIN_MS = 3000; // as browsers themselves
const LISTS_EVERY_MS = 10_000; // that folders and failures are asked for while indexing

/**
 * Follow what the server does: a line at the top while it indexes. A page that is not seen does not
 * listen, since a browser has few connections for all of its tabs.
 *
 * @param {(status: Row) => void} onStatus
 * @param {() => void} onBack the server is heard again, or for the first time
 */
export function followStatus(onStatus, onBack) {
  /** @type {EventSource | null} */
  let source = null;
  let isNew = true;
  const begin = () => {
    source?.close();
    source = null;
    if (document.hidden) return;
    const opened = new EventSource("/api/events");
    source = opened;
    isNew = true;
    opened.addEventListener("status", (event) => {
      try {
        onStatus(JSON.parse(event.data));
      } catch {
        return; // Half a message of a server that was stopped.
      }
      if (isNew) onBack();
      isNew = false;
    });
    opened.addEventListener("error", () => {
      isNew = true;
      // A browser goes on trying by itself, unless it was told something else than events.
      if (opened.readyState === EventSource.CLOSED) window.setTimeout(() => source === opened && begin(), AGAIN_MS);
    });
  };
  document.addEventListener("visibilitychange", begin);
  begin();
}

/**
 * How far indexing is, from a status, in words and as a share; null while nothing is done.
 *
 * @param {Row} status
 * @returns {{text: string, share: number | null} | null}
 */
export function progressOf(status) {
  const progress = status["watch"]?.progress ?? null;
  if (progress) {
    const done = Number(progress["done"] ?? 0);
    const total = Number(progress["files"] ?? 0);
    const left = progress["left_s"];
    const failed = progress["failed"] ? `, ${progress["failed"]} failed` : "";
    const time = typeof left === "number" ? `, about ${duration(left)} left` : "";
    const text = `Indexing: ${done.toLocaleString("en")} of ${counted(total, "file")}${failed}${time}`;
    return { text, share: total ? done / total : null };
  }
  // A command of its own, which tells nobody how far it is but for what it has written.
  const pending = Number(status["files"]?.pending ?? 0);
  if (!status["writer"] || !pending) return null;
  const indexed = Number(status["files"]?.indexed ?? 0);
  const text = `Indexing: ${indexed.toLocaleString("en")} done, ${pending.toLocaleString("en")} to go`;
  return { text, share: indexed / (indexed + pending) };
}

/** @param {Row} status */
export function showProgress(status) {
  const place = byId("progress", HTMLElement);
  const progress = progressOf(status);
  place.hidden = progress === null;
  if (!progress) return;
  const attributes = { max: "1", "aria-label": "Indexing", ...(progress.share === null ? {} : { value: progress.share }) };
  place.replaceChildren(h("progress", attributes), h("span", {}, progress.text));
}

export class LibraryPanel {
  constructor() {
    this.element = h("div", { class: "library" }, h("h2", {}, "Library"));
    this.gone = new AbortController();
    this.status = h("section", { "aria-label": "Status" });
    const { signal } = this.gone;
    /** @type {(() => void)[]} loads anew what changes with the files */
    this.loads = [];
    /** @type {Set<() => void>} loads what was not answered */
    this.unanswered = new Set();
    this.followed = "";
    this.loadedAt = performance.now();
    this.hasDaemon = false;
    this.element.append(
      this.status,
      this.section("Folders", "Folders", async () => (await getList("roots", signal)).map(rootItem), this.loads),
      this.section("Failed", "Failed files", async () => this.failedItems(await getList("failed", signal)), this.loads),
      this.section("Model", "Model", async () => [facts(pick(await getJson("/api/model", signal), MODEL_FACTS))]),
      this.examination(),
    );
    getJson("/api/status", signal).then((status) => this.showStatus(status), () => {});
  }

  close() {
    this.gone.abort();
  }

  /**
   * @param {string} title
   * @param {string} label
   * @param {() => Promise<Node[]>} load its items
   * @param {(() => void)[]} [loads] what loads it anew is put there
   */
  section(title, label, load, loads) {
    const heading = h("h3", {}, title);
    const place = h("section", { "aria-label": label }, heading, h("p", { class: "hint" }, "…"));
    const show = (/** @type {Node[]} */ items) => {
      const now = [heading, ...(items.length ? items : [h("p", { class: "hint" }, "None.")])];
      const before = [...place.childNodes];
      // What is as it was stays, with the focus that it may have.
      if (now.length !== before.length || !now.every((each, n) => each.isEqualNode(before[n] ?? null))) place.replaceChildren(...now);
    };
    const fill = () =>
      void load().then(show, (error) => {
        if (this.gone.signal.aborted) return;
        this.unanswered.add(fill);
        place.replaceChildren(heading, problem(error));
      });
    loads?.push(fill);
    fill();
    return place;
  }

  /** What an examination finds; it takes seconds and much memory, so it is asked for. */
  examination() {
    const place = h("section", { "aria-label": "Findings" });
    const look = async () => {
      button.disabled = true;
      button.textContent = "Examining …";
      try {
        const { findings } = await getJson("/api/doctor", this.gone.signal);
        place.replaceChildren(h("h3", {}, "Findings"), button, ...findings.map(findingItem));
      } catch (error) {
        if (this.gone.signal.aborted) return;
        place.replaceChildren(h("h3", {}, "Findings"), button, problem(error));
      }
      button.disabled = false;
      button.textContent = "Examine again";
    };
    const button = h("button", { type: "button", onclick: () => void look() }, "Examine the installation");
    place.append(h("h3", {}, "Findings"), button);
    return place;
  }

  /**
   * @param {Row[]} rows
   * @returns {Node[]}
   */
  failedItems(rows) {
    if (!rows.length) return [];
    const retry = async () => {
      await send("POST", "/api/failed/retry");
      const remedy = this.hasDaemon ? null : "No daemon is running: `audiosearch index` does it.";
      notify(this.hasDaemon ? "They are tried again" : "They are tried again by the next indexing", { remedy });
      this.loadLists();
    };
    return [
      h("button", { type: "button", onclick: () => void attempt(retry) }, "Try again"),
      h("ul", { class: "failed" }, ...rows.map(failedItem)),
    ];
  }

  loadLists() {
    this.loadedAt = performance.now();
    for (const load of this.loads) load();
  }

  /**
   * Folders and failures change with the files; while many are being indexed, now and then is enough.
   *
   * @param {Row} status
   * @param {boolean} isIndexing
   */
  follow(status, isIndexing) {
    const again = [...this.unanswered];
    this.unanswered.clear();
    for (const load of again) load();
    const now = JSON.stringify([status["files"], status["roots"]]);
    if (now === this.followed || (isIndexing && performance.now() - this.loadedAt < LISTS_EVERY_MS)) return;
    if (this.followed) this.loadLists();
    this.followed = now;
  }

  /** @param {Row} status */
  showStatus(status) {
    this.hasDaemon = Boolean(status["watch"]);
    const files = Object.entries(status["files"] ?? {})
      .filter(([, n]) => n)
      .map(([state, n]) => `${Number(n).toLocaleString("en")} ${state}`)
      .join(", ");
    const progress = progressOf(status);
    this.follow(status, progress !== null);
    const pending = Number(status["files"]?.pending ?? 0);
    const waiting = `${counted(pending, "file")} wait${pending === 1 ? "s" : ""} for the next \`audiosearch index\`.`;
    const idle = pending && !this.hasDaemon ? waiting : "Nothing is being indexed.";
    const hours = Number(status["hours"] ?? 0);
    const rows = {
      files: files || "none",
      recordings: `${Number(status["recordings"] ?? 0).toLocaleString("en")} (${hours.toFixed(2)} h)`,
      captions: status["captions"],
      database: typeof status["database_bytes"] === "number" ? size(status["database_bytes"]) : null,
    };
    this.status.replaceChildren(
      progress ? h("p", { class: "working" }, progress.text) : h("p", { class: "hint" }, idle),
      facts(rows),
    );
  }
}

/** @param {Row} row */
function rootItem(row) {
  const about = ["files", "indexed", "failed", "missing"]
    .filter((name) => typeof row[name] === "number")
    .map((name) => `${row[name].toLocaleString("en")} ${name}`);
  const path = String(row["path"] ?? "");
  const link = h("a", { href: `?${new URLSearchParams({ in: path })}`, "data-in": path }, path);
  return h("p", { class: "root" }, link, h("small", {}, about.join(", ")));
}

/** @param {Row} row */
function failedItem(row) {
  return h(
    "li",
    {},
    h("b", {}, String(row["path"] ?? "")),
    h("span", {}, String(row["reason"] ?? "")),
    row["remedy"] ? h("small", {}, String(row["remedy"])) : null,
  );
}

/** @param {Row} row */
function findingItem(row) {
  const level = String(row["level"] ?? "");
  return h(
    "p",
    { class: "finding" },
    h("b", { class: level === "ok" ? "good" : "problem" }, `${level}: ${row["check"] ?? ""}`),
    h("span", {}, String(row["detail"] ?? "")),
    row["remedy"] ? h("small", {}, String(row["remedy"])) : null,
  );
}

/**
 * @param {Row} row
 * @param {string[]} names
 */
function pick(row, names) {
  return Object.fromEntries(names.map((name) => [name, row[name]]));
}

/** @param {Row} row */
function facts(row) {
  const known = Object.entries(row).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return h("dl", {}, ...known.flatMap(([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, String(value))]));
}
