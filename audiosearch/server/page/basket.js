// What is ticked, and what is done with all of it: collections, tags, ratings, export.

import { getList, post, segment, send, seconds } from "./api.js";
import { byId, h, iconButton, notify, visible } from "./dom.js";
import { refreshFacts, setRating, setTag } from "./facts.js";
import { counted } from "./format.js";
import { hitKey } from "./player.js";
import { attempt } from "./problems.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Line} Line */

const FORMATS = [
  ["clips", "clips (WAV)"],
  ["clips-flac", "clips (FLAC)"],
  ["m3u8", "playlist (M3U8)"],
  ["audacity", "Audacity labels"],
  ["raven", "Raven selections"],
  ["reaper", "REAPER regions"],
  ["edl", "EDL (CMX3600)"],
  ["aoef", "soundevent (AOEF)"],
  ["csv", "CSV"],
  ["jsonl", "JSON lines"],
  ["parquet", "Parquet"],
];

/** Tells `change`. */
export class Basket extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, Hit>} */
    this.hits = new Map();
    this.place = byId("basket", HTMLElement);
    this.count = h("strong", {}, "");
    this.collection = h("input", { type: "text", list: "known-collections", placeholder: "Collection", "aria-label": "Collection to add to", autocomplete: "off" });
    this.tag = h("input", { type: "text", list: "known-tags", placeholder: "Tag", "aria-label": "Tag to add", autocomplete: "off" });
    this.rating = h(
      "select",
      { "aria-label": "Rating of all that is ticked" },
      ...[5, 4, 3, 2, 1].map((n) => h("option", { value: n }, "★".repeat(n))),
      h("option", { value: "none" }, "no rating"),
    );
    this.format = h(
      "select",
      { "aria-label": "Format of the export" },
      ...FORMATS.map(([value, label]) => h("option", { value: value ?? "" }, label ?? "")),
    );
    this.out = h("button", { type: "button", hidden: true, onclick: () => void this.takeOut() }, "");
    /** @type {string} the collection that is shown */
    this.shown = "";
    this.place.append(
      this.count,
      this.out,
      form(this.collection, "Add", () => this.collect()),
      form(this.tag, "Tag", () => this.tagAll()),
      form(this.rating, "Rate", () => this.rate()),
      form(this.format, "Export", () => this.take()),
      iconButton("close", "Untick all", () => this.clear()),
    );
    this.show();
  }

  /**
   * @param {Line} line
   * @param {boolean} on
   */
  tick(line, on) {
    this.tickAll([line], on);
  }

  /**
   * @param {readonly Line[]} lines
   * @param {boolean} on
   */
  tickAll(lines, on) {
    for (const hit of lines.flatMap((each) => each.moments)) {
      if (on) this.hits.set(hitKey(hit), hit);
      else this.hits.delete(hitKey(hit));
    }
    this.show();
  }

  /** @param {Line} line */
  has(line) {
    return this.hits.has(hitKey(line.hit));
  }

  clear() {
    this.hits.clear();
    this.show();
  }

  show() {
    this.place.hidden = this.hits.size === 0;
    this.count.textContent = `${counted(this.hits.size, "stretch", "stretches")} ticked`;
    this.dispatchEvent(new Event("change"));
  }

  get recordings() {
    return [...new Set([...this.hits.values()].map((each) => each.recording_id))];
  }

  /** @param {string} collection that is shown, if any: what is ticked may be taken out of it */
  showCollection(collection) {
    this.shown = collection;
    this.out.hidden = !collection;
    this.out.textContent = `Take out of ${visible(collection)}`;
  }

  async takeOut() {
    const name = this.shown;
    await attempt(async () => {
      for (const hit of this.hits.values()) await send("DELETE", placeIn(name, hit));
      await refreshFacts(this.recordings);
      notify(`${counted(this.hits.size, "stretch", "stretches")} taken out of ${name}`);
      this.clear();
      this.dispatchEvent(new Event("taken-out"));
    });
  }

  async collect() {
    const name = this.collection.value.trim();
    if (!name) return;
    await attempt(async () => {
      await send("PUT", `/api/collections/${segment(name)}`, {});
      for (const hit of this.hits.values()) await send("PUT", placeIn(name, hit));
      await refreshFacts(this.recordings);
      notify(`${counted(this.hits.size, "stretch", "stretches")} added to ${name}`);
    });
  }

  async tagAll() {
    const tag = this.tag.value.trim();
    if (!tag) return;
    await attempt(async () => {
      for (const each of this.recordings) await setTag(each, tag, true);
      notify(`${counted(this.recordings.length, "sound")} tagged ${tag}`);
      this.tag.value = "";
    });
  }

  async rate() {
    const { value } = this.rating;
    await attempt(async () => {
      for (const each of this.recordings) await setRating(each, value === "none" ? null : Number(value));
      notify(`${counted(this.recordings.length, "sound")} rated`);
    });
  }

  async take() {
    await exportHits([...this.hits.values()], this.format.value);
  }
}

/**
 * @param {string} collection
 * @param {Hit} hit
 */
function placeIn(collection, hit) {
  const where = `/api/collections/${segment(collection)}/recordings/${hit.recording_id}`;
  if (hit.start_s === 0 && hit.end_s >= hit.duration_s) return where; // all of it
  return `${where}?${new URLSearchParams({ start: seconds(hit.start_s), end: seconds(hit.end_s) })}`;
}

/**
 * @param {Hit[]} hits
 * @param {string} chosen one of FORMATS
 */
export async function exportHits(hits, chosen) {
  const rows = hits.map((hit) => ({
    recording_id: hit.recording_id,
    start_s: hit.start_s,
    end_s: hit.end_s,
    ...(hit.caption ? { caption: hit.caption } : {}),
    ...(typeof hit.score === "number" ? { score: hit.score } : {}),
  }));
  const isFlac = chosen === "clips-flac";
  const body = { format: isFlac ? "clips" : chosen, rows, ...(isFlac ? { as: "flac" } : {}) };
  await attempt(async () => {
    const response = await post("/api/export", body);
    save(await response.blob(), nameIn(response) ?? `audiosearch.${chosen}`);
    notify(`Exported ${counted(hits.length, "stretch", "stretches")}`);
  });
}

/**
 * The name that the server gives to what it sends.
 *
 * @param {Response} response
 */
function nameIn(response) {
  const told = response.headers.get("Content-Disposition") ?? "";
  const encoded = /filename\*=UTF-8''([^;]+)/iu.exec(told)?.[1];
  if (encoded) return decodeURIComponent(encoded);
  return /filename="([^"]+)"/iu.exec(told)?.[1] ?? null;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * @param {HTMLInputElement | HTMLSelectElement} input
 * @param {string} label
 * @param {() => Promise<void>} act
 */
function form(input, label, act) {
  return h(
    "form",
    {
      class: "joined",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void act();
      },
    },
    input,
    h("button", { type: "submit" }, label),
  );
}

/** What tags and collections there are, for the fields that ask for one. */
export async function fillKnownNames() {
  for (const [list, key] of /** @type {const} */ ([
    ["tags", "tag"],
    ["collections", "name"],
  ])) {
    try {
      const rows = await getList(list);
      byId(`known-${list}`, HTMLElement).replaceChildren(...rows.map((row) => h("option", { value: row[key] })));
    } catch {
      // Names are a help only.
    }
  }
}
