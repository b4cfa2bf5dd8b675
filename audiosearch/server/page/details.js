// All about one recording: what is heard in it along its length, what its files say, what you wrote.

import { h, icon, iconButton } from "./dom.js";
import { changes, detailsOf, loadDetails, setFavourite, setNote, setRating, setTag } from "./facts.js";
import { clock, clockRange, pathParts, size } from "./format.js";
import { attempt, problem } from "./problems.js";
import { downloadLink } from "./row.js";
import { Wave } from "./wave.js";

/** @typedef {import("./types.js").CaptionedWindow} CaptionedWindow */
/** @typedef {import("./types.js").Details} Details */
/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Stretch} Stretch */

const PICTURE = { width: 1200, height: 128 };
const SHOWN = 400; // windows of the timeline, and metadata

/**
 * @typedef {object} DetailActions
 * @property {(hit: Hit, where?: {from?: number, stretch?: Stretch}) => void} play
 * @property {(hit: Hit, stretch: Stretch | null) => void} similar
 */

export class DetailPanel {
  /**
   * @param {number} recording
   * @param {Hit[]} moments what was found of it
   * @param {DetailActions} actions
   */
  constructor(recording, moments, actions) {
    this.recording = recording;
    this.moments = moments;
    this.actions = actions;
    this.gone = new AbortController();
    /** @type {Wave | null} */
    this.wave = null;
    this.element = h("div", { class: "details" }, h("p", { class: "hint" }, "…"));
    this.onChange = (/** @type {Event} */ event) => {
      if (event instanceof CustomEvent && event.detail === recording) this.showOwn();
    };
    changes.addEventListener("change", this.onChange);
    /** Settles once there is something to see. */
    this.filled = loadDetails(recording, this.gone.signal).then(
      (facts) => this.show(facts),
      (error) => {
        if (!this.gone.signal.aborted) this.element.replaceChildren(problem(error));
      },
    );
  }

  close() {
    this.gone.abort();
    this.wave?.close();
    changes.removeEventListener("change", this.onChange);
  }

  /** What is written of it may have changed elsewhere; what is being written here is left alone. */
  renew() {
    if (this.own?.contains(document.activeElement)) return;
    loadDetails(this.recording, this.gone.signal).then(
      () => this.showOwn(),
      () => {}, // what was known is still shown
    );
  }

  /** @param {Details} facts */
  show(facts) {
    if (this.gone.signal.aborted) return;
    const { name, folder } = pathParts(facts.path);
    const duration = facts.duration_s ?? 0;
    const hit = this.hitOf(facts);
    this.own = h("section", { class: "yours", "aria-label": "Yours" });
    this.chosen = h("div", { class: "chosen", hidden: true });
    this.wave = this.newWave(facts, hit, name);
    this.element.replaceChildren(
      h("h2", {}, name),
      h("p", { class: "folder" }, folder),
      this.wave.element,
      this.zooming(duration),
      this.chosen,
      this.own,
      this.timeline(facts),
      this.table(facts),
    );
    this.showOwn();
  }

  /**
   * What plays: what was found, or all of it.
   *
   * @param {Details} facts
   * @returns {Hit}
   */
  hitOf(facts) {
    const duration = facts.duration_s ?? 0;
    return (
      this.moments[0] ?? {
        rank: 0,
        path: facts.path,
        start_s: 0,
        end_s: duration,
        duration_s: duration,
        recording_id: this.recording,
      }
    );
  }

  /**
   * @param {Details} facts
   * @param {Hit} hit
   * @param {string} name
   */
  newWave(facts, hit, name) {
    const duration = facts.duration_s ?? 0;
    return new Wave({
      recording: this.recording,
      name,
      view: { start_s: 0, end_s: duration },
      marks: this.moments,
      size: PICTURE,
      away: Boolean(facts.offline),
      onSeek: (from) => this.actions.play(hit, { from }),
      onSelect: (stretch) => this.select(hit, stretch),
    });
  }

  /** @param {number} duration */
  zooming(duration) {
    const zoom = (/** @type {number} */ factor) => {
      const wave = this.wave;
      if (!wave) return;
      const { start_s: start, end_s: end } = wave.view;
      const best = this.moments[0];
      const middle = best && factor < 1 ? (best.start_s + best.end_s) / 2 : (start + end) / 2;
      const length = Math.min(duration, Math.max(0.1, (end - start) * factor));
      const from = Math.min(Math.max(0, middle - length / 2), duration - length);
      wave.look({ start_s: from, end_s: from + length });
      told.textContent = clockRange(wave.view);
    };
    const told = h("span", { class: "time" }, clockRange({ start_s: 0, end_s: duration }));
    return h(
      "div",
      { class: "zoom" },
      h("button", { type: "button", "aria-label": "Look nearer", onclick: () => zoom(0.5) }, "+"),
      h("button", { type: "button", "aria-label": "Look from farther", onclick: () => zoom(2) }, "−"),
      told,
    );
  }

  /**
   * @param {Hit} hit
   * @param {Stretch} stretch
   */
  select(hit, stretch) {
    const what = clockRange(stretch);
    this.chosen?.replaceChildren(
      h("span", {}, what),
      iconButton("play", `Play ${what}`, () => this.actions.play(hit, { stretch })),
      h("button", { type: "button", onclick: () => this.actions.similar(hit, stretch) }, "Sounds like this"),
      downloadLink(hit, stretch),
    );
    if (this.chosen) this.chosen.hidden = false;
    this.actions.play(hit, { stretch });
  }

  async focusTag() {
    await this.filled;
    const input = this.own?.querySelector('[data-own="tag"]');
    if (input instanceof HTMLElement) input.focus();
  }

  showOwn() {
    const facts = detailsOf(this.recording);
    if (!facts || !this.own) return;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["own"] : undefined;
    const parts = [this.rating(facts), this.tags(facts), this.note(facts), this.ofStretches(facts), this.collections(facts)];
    this.own.replaceChildren(...parts.filter((each) => each !== null));
    if (focused) {
      const again = this.own.querySelector(`[data-own="${CSS.escape(focused)}"]`);
      if (again instanceof HTMLElement) again.focus();
    }
  }

  /** @param {Details} facts */
  rating(facts) {
    const stars = [1, 2, 3, 4, 5].map((n) =>
      iconButton(
        "star",
        n === 1 ? "1 star" : `${n} stars`,
        () => void attempt(() => setRating(this.recording, facts.rating === n ? null : n)),
        { class: `icon-button${n <= (facts.rating ?? 0) ? " on" : ""}`, "aria-pressed": String(facts.rating === n), "data-own": `star-${n}` },
      ),
    );
    const favourite = Boolean(facts.favourite);
    return h(
      "div",
      { class: "rating", role: "group", "aria-label": "Rating" },
      ...stars,
      iconButton(
        "heart",
        "Favourite",
        () => void attempt(() => setFavourite(this.recording, !favourite)),
        { class: `icon-button heart${favourite ? " on" : ""}`, "aria-pressed": String(favourite), "data-own": "favourite" },
      ),
    );
  }

  /** @param {Details} facts */
  tags(facts) {
    const input = h("input", { type: "text", list: "known-tags", placeholder: "Add a tag", "aria-label": "Add a tag", autocomplete: "off", "data-own": "tag" });
    const add = (/** @type {Event} */ event) => {
      event.preventDefault();
      const tag = input.value.trim();
      if (tag) void attempt(() => setTag(this.recording, tag, true));
    };
    const own = facts.tags_given ?? [];
    const others = (facts.tags ?? []).filter((each) => !own.includes(each));
    return h(
      "div",
      { class: "tags" },
      ...own.map((tag) =>
        h(
          "span",
          { class: "tag own" },
          tag,
          iconButton("close", `Take the tag ${tag} away`, () => void attempt(() => setTag(this.recording, tag, false))),
        ),
      ),
      ...others.map((tag) => h("span", { class: "tag", title: "from the file" }, tag)),
      h("form", { class: "joined", onsubmit: add }, input, h("button", { type: "submit" }, "Add")),
    );
  }

  /** @param {Details} facts */
  note(facts) {
    const text = h("textarea", { rows: "2", placeholder: "A note", "aria-label": "Note", "data-own": "note" });
    text.value = facts.note ?? "";
    text.addEventListener("change", () => {
      if (text.value !== (facts.note ?? "")) void attempt(() => setNote(this.recording, text.value));
    });
    return text;
  }

  /**
   * What was written of stretches, as commands do.
   *
   * @param {Details} facts
   */
  ofStretches(facts) {
    const hit = this.hitOf(facts);
    const items = (facts.annotations ?? []).flatMap((each) => {
      if (each.end_s === null) return []; // of all of it: shown above
      const stretch = { start_s: each.start_s, end_s: each.end_s };
      const told = [
        each.rating ? h("span", { class: "stars" }, "★".repeat(each.rating)) : null,
        each.favourite ? h("span", { class: "heart", title: "Favourite" }, "♥") : null,
        ...(each.tags ?? []).map((tag) => h("span", { class: "tag own" }, tag)),
        each.note ? h("span", { class: "note" }, each.note) : null,
        each.user ? h("span", { class: "hint" }, each.user) : null,
      ].filter((part) => part !== null);
      if (!told.length || (told.length === 1 && each.user)) return [];
      const what = clockRange(stretch);
      const play = () => this.actions.play(hit, { stretch });
      return [h("li", {}, h("button", { type: "button", "aria-label": `Play ${what}`, onclick: play }, what), ...told)];
    });
    return items.length ? h("ul", { class: "plain stretches", "aria-label": "Yours of stretches" }, ...items) : null;
  }

  /** @param {Details} facts */
  collections(facts) {
    const inside = new Set(facts.collections ?? []);
    for (const each of facts.annotations ?? []) for (const name of each.collections ?? []) inside.add(name);
    if (!inside.size) return h("div");
    return h(
      "p",
      { class: "hint" },
      "In ",
      ...[...inside].flatMap((name, n) => [
        n ? ", " : "",
        h("a", { href: `?${new URLSearchParams({ show: name })}`, "data-state": "" }, name),
      ]),
    );
  }

  /** @param {Details} facts */
  timeline(facts) {
    const given = (facts.captions_given ?? []).map((each) => ({ ...each, silent: false, own: true }));
    const heard = folded(facts.windows ?? []).map((each) => ({ ...each, own: false }));
    const all = [...given, ...heard].sort((a, b) => a.start_s - b.start_s);
    const hit = this.hitOf(facts);
    const found = all.findIndex((each) => this.isFound(each));
    const first = Math.max(0, Math.min(found - SHOWN / 2, all.length - SHOWN));
    const shown = all.slice(first, first + SHOWN);
    const items = shown.map((each) => {
      const kind = `moment${each.own ? " own" : ""}${this.isFound(each) ? " found" : ""}`;
      const onclick = () => this.actions.play(hit, { stretch: each });
      const text = each.silent ? "(silence)" : (each.caption ?? "–");
      const when = h("span", { class: "time", title: clockRange(each) }, clock(each.start_s));
      return h("li", {}, h("button", { type: "button", class: kind, onclick }, when, h("span", {}, text)));
    });
    const left = all.length - shown.length;
    const list = h("ol", { class: "timeline", tabindex: "-1" }, ...items);
    // Once it is laid out, what was found is seen.
    requestAnimationFrame(() => {
      const item = items[found - first];
      if (item) list.scrollTop = item.offsetTop - list.clientHeight / 3;
    });
    return h(
      "section",
      { "aria-label": "Heard along the recording" },
      h("h3", {}, "Heard"),
      list,
      left ? h("p", { class: "hint" }, `${left.toLocaleString("en")} more: audiosearch info tells all`) : null,
    );
  }

  /** @param {Stretch} stretch */
  isFound(stretch) {
    return this.moments.some((each) => each.start_s < stretch.end_s && each.end_s > stretch.start_s);
  }

  /** @param {Details} facts */
  table(facts) {
    /** @type {[string, string | null | undefined | false][]} */
    const rows = [
      ["State", facts.offline ? "not there now" : facts.state !== "indexed" && facts.state],
      ["Since it was heard", facts.changed && !facts.offline && "changed: audiosearch index takes it in"],
      ["Remark", facts.remark],
      ["Length", facts.duration_s !== null && clock(facts.duration_s)],
      ["Format", formatOf(facts)],
      ["Level", levelOf(facts)],
      ["Size", facts.size !== undefined && size(facts.size)],
      ...(facts.copies ?? []).map((each) => /** @type {[string, string]} */ (["Same sound", each.path])),
      ...Object.entries(facts.metadata ?? {}).flatMap(([field, values]) =>
        values.map((value) => /** @type {[string, string]} */ ([field, value])),
      ),
    ];
    return h(
      "section",
      { "aria-label": "Metadata" },
      h("h3", {}, icon("details"), "File"),
      h(
        "dl",
        {},
        ...rows
          .slice(0, SHOWN)
          .flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
      ),
    );
  }
}

/**
 * Windows overlap, and many in a row say the same.
 *
 * @param {readonly CaptionedWindow[]} windows
 * @returns {CaptionedWindow[]}
 */
export function folded(windows) {
  /** @type {CaptionedWindow[]} */
  const runs = [];
  for (const each of windows) {
    const last = runs.at(-1);
    const goesOn = last && last.silent === each.silent && last.caption === each.caption && each.start_s <= last.end_s;
    if (last && goesOn) runs[runs.length - 1] = { ...last, end_s: each.end_s };
    else runs.push(each);
  }
  return runs;
}

/** @param {Details} facts */
function formatOf(facts) {
  const channels = facts.channels === 1 ? "mono" : `${facts.channels} channels`;
  const depth = facts.bit_depth ? `, ${facts.bit_depth} bits` : "";
  return facts.codec && `${facts.container}, ${facts.codec}, ${facts.sample_rate} Hz, ${channels}${depth}`;
}

/** @param {Details} facts */
function levelOf(facts) {
  const loud = typeof facts.loudness_lufs === "number" ? [`${facts.loudness_lufs.toFixed(1)} LUFS`] : [];
  const peak = typeof facts.peak_db === "number" ? [`peak ${facts.peak_db.toFixed(1)} dBFS`] : [];
  return [...loud, ...peak].join(", ");
}
