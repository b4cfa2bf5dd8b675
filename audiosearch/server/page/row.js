// One line of the list: a recording, where in it something was found, and why.

import { audioUrl, check } from "./api.js";
import { h, icon, iconButton } from "./dom.js";
import { changes, factsOf, loadFacts } from "./facts.js";
import { clock, clockAfter, clockRange, cutName, duration, markWords, pathParts, wallClock } from "./format.js";
import { attempt } from "./problems.js";
import { viewOf, Wave } from "./wave.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Stretch} Stretch */
/** @typedef {import("./types.js").Details} Details */

const PICTURE = { width: 600, height: 64 };
const SHOWN_TAGS = 4;
const CLEAR = 0.5; // nats; a word e^0.5 = 1.6 times as likely, or less so, is worth a colour
const STRONG = 1.5;

/**
 * What lines ask of the page.
 *
 * @typedef {object} RowActions
 * @property {(line: Line, where?: {from?: number, stretch?: Stretch}) => void} play
 * @property {(hit: Hit, stretch: Stretch | null) => void} similar
 * @property {(hit: Hit) => void} open
 * @property {(line: Line, on: boolean) => void} tick
 * @property {(line: Line) => boolean} isTicked
 * @property {(index: number) => void} focus
 * @property {(tag: string) => void} byTag
 */

export class Row {
  /**
   * @param {Line} line
   * @param {number} index
   * @param {number} count
   * @param {boolean} isFirstWeak
   * @param {RowActions} actions
   */
  constructor(line, index, count, isFirstWeak, actions) {
    this.line = line;
    this.actions = actions;
    this.gone = new AbortController();
    const { hit, moments } = line;
    const { name, folder } = pathParts(hit.path);
    this.name = name;
    const view = viewOf(hit, hit.duration_s, moments.length > 1);
    this.wave = new Wave({
      recording: hit.recording_id,
      name,
      view,
      marks: moments,
      size: PICTURE,
      away: Boolean(hit.offline),
      onSeek: (from) => actions.play(line, this.at(from)),
      onSelect: (stretch) => this.select(stretch),
    });
    this.tick = h("input", {
      type: "checkbox",
      "aria-label": `Tick ${name}`,
      onchange: () => actions.tick(line, this.tick.checked),
    });
    this.tick.checked = actions.isTicked(line);
    this.playButton = iconButton("play", `Play ${name} from ${clock(hit.start_s)}`, () => actions.play(line));
    this.tags = h("span", { class: "tags" });
    this.clock = h("time", { hidden: true });
    if (hit.clock_start) this.showClock(hit.clock_start);
    this.chosen = h("div", { class: "chosen", hidden: true });
    this.why = h("p", { class: "why" });
    const id = `row-${index}`;
    this.element = h(
      "article",
      {
        class: `row${hit.weak ? " weak" : ""}${hit.offline ? " offline" : ""}`,
        tabindex: "-1",
        "aria-posinset": index + 1,
        "aria-setsize": count,
        "aria-labelledby": id,
        onfocusin: () => actions.focus(index),
      },
      isFirstWeak ? h("div", { class: "divider" }, "weaker matches") : null,
      h("div", { class: "lead" }, this.tick, this.playButton),
      h("div", { class: "text" }, this.heading(id, name, folder), this.saying()),
      h("div", { class: "sight" }, this.wave.element, this.chosen),
      this.numbers(),
      this.buttons(),
    );
    this.onChange = (/** @type {Event} */ event) => {
      if (event instanceof CustomEvent && event.detail === hit.recording_id) this.showFacts();
    };
    changes.addEventListener("change", this.onChange);
    this.showFacts();
    this.loadFacts();
  }

  loadFacts() {
    loadFacts(this.line.hit.recording_id, this.gone.signal).then(
      () => this.showFacts(),
      () => {}, // a line without tags is still a line
    );
  }

  /**
   * @param {string} id
   * @param {string} name
   * @param {string} folder
   */
  heading(id, name, folder) {
    const { hit } = this.line;
    const matched = hit.matched ?? [];
    /** @param {string} field */
    const wordsOf = (field) => matched.filter((each) => each.field === field).flatMap((each) => each.words);
    return h(
      "div",
      { class: "heading" },
      h(
        "a",
        {
          class: "name",
          id,
          href: `?panel=${hit.recording_id}`,
          title: [hit.path, "(drag it out to take the stretch)"],
          ondragstart: (/** @type {DragEvent} */ event) => offerCut(event, hit, hit),
          onclick: (/** @type {Event} */ event) => {
            event.preventDefault();
            this.actions.open(hit);
          },
        },
        ...marked(name, wordsOf("name")),
      ),
      h("span", { class: "folder", title: folder }, ...marked(folder, wordsOf("folder"))),
      hit.offline ? h("span", { class: "badge" }, "offline") : null,
    );
  }

  saying() {
    const { hit } = this.line;
    const others = (hit.matched ?? []).filter((each) => !["name", "folder"].includes(each.field));
    const captionWords = others.filter((each) => each.field === "caption").flatMap((each) => each.words);
    const spoken = h("p", { class: "caption" }, ...marked(hit.caption ?? "", captionWords));
    this.showWhy();
    return h("div", { class: "saying" }, spoken, this.why);
  }

  /** What each word counted, what else holds words of the query, how much of the unwanted there is. */
  showWhy() {
    const { hit } = this.line;
    const texts = (hit.matched ?? []).filter((each) => !["name", "folder", "caption"].includes(each.field));
    this.why.replaceChildren(
      ...lifts(hit.words ?? []),
      ...texts.map((each) =>
        h("span", { class: "match" }, `${each.field}: `, h("mark", {}, each.words.join(" "))),
      ),
      ...(hit.excluded ?? []).map((each) =>
        h("span", { class: "match" }, `${each.text} ${each.score.toFixed(2)}`),
      ),
    );
  }

  numbers() {
    const { hit, moments } = this.line;
    const value = hit.score ?? hit.similarity ?? null;
    const kind = hit.score === undefined || hit.score === null ? "Likeness" : "Score";
    const several = moments.length > 1;
    return h(
      "div",
      { class: "numbers" },
      value === null
        ? null
        : h(
            "span",
            { class: "score" },
            h("meter", { min: "0", max: "1", value: Math.max(0, value), "aria-label": kind }),
            h("b", { title: kind }, value.toFixed(2)),
          ),
      h(
        "span",
        { class: "time" },
        several ? `${moments.length} moments` : clockRange(hit),
        h("span", { class: "length", title: "Length of the recording" }, ` of ${duration(hit.duration_s)}`),
      ),
      this.clock,
      this.tags,
    );
  }

  buttons() {
    const { hit } = this.line;
    return h(
      "div",
      { class: "row-buttons" },
      iconButton("similar", `Sounds like ${this.name}`, () => this.actions.similar(hit, null)),
      h("span", { class: "download" }, downloadLink(hit, hit)),
      iconButton("details", `All about ${this.name}`, () => this.actions.open(hit)),
    );
  }

  /**
   * Of a recording with several moments, the one that was pointed at.
   *
   * @param {number} from
   * @returns {{from: number, stretch?: Stretch}}
   */
  at(from) {
    const moment = this.line.moments.find((each) => from >= each.start_s && from <= each.end_s);
    return moment ? { from, stretch: moment } : { from };
  }

  /** @param {Stretch} stretch what was dragged over */
  select(stretch) {
    const { hit } = this.line;
    const what = clockRange(stretch);
    const close = () => {
      this.chosen.hidden = true;
      this.wave.showSelection(null);
    };
    this.chosen.replaceChildren(
      h("span", {}, what),
      iconButton("play", `Play ${what}`, () => this.actions.play(this.line, { stretch })),
      h(
        "button",
        { type: "button", onclick: () => this.actions.similar(hit, stretch) },
        "Sounds like this",
      ),
      downloadLink(hit, stretch),
      iconButton("close", "Forget this stretch", close),
    );
    this.chosen.hidden = false;
    this.actions.play(this.line, { stretch });
  }

  /** @param {string} start when the stretch begins by the recorder's clock */
  showClock(start) {
    this.clock.dateTime = start;
    this.clock.textContent = wallClock(start);
    this.clock.hidden = false;
  }

  showFacts() {
    const { hit } = this.line;
    const facts = factsOf(hit.recording_id);
    if (!facts) return;
    if (facts.recorded_at && !hit.clock_start) this.showClock(clockAfter(facts.recorded_at, hit.start_s));
    const own = facts.tags_given ?? [];
    const all = [...new Set([...own, ...(facts.tags ?? [])])];
    const stars = facts.rating ? h("span", { class: "stars", title: `Rated ${facts.rating}` }, "★".repeat(facts.rating)) : null;
    const heart = facts.favourite ? h("span", { class: "heart", title: "Favourite" }, "♥") : null;
    this.tags.replaceChildren(
      ...[stars, heart].filter((each) => each !== null),
      ...all.slice(0, SHOWN_TAGS).map((tag) =>
        h(
          "button",
          {
            type: "button",
            class: own.includes(tag) ? "tag own" : "tag",
            title: `Only sounds with the tag ${tag}`,
            onclick: () => this.actions.byTag(tag),
          },
          tag,
        ),
      ),
    );
  }

  /** @param {boolean} on */
  showPlaying(on) {
    this.element.classList.toggle("playing", on);
    this.playButton.setAttribute("aria-pressed", String(on));
  }

  close() {
    this.gone.abort();
    this.wave.close();
    changes.removeEventListener("change", this.onChange);
  }
}

/**
 * Dragged out of the page into a folder or another program, it is a file.
 *
 * @param {DragEvent} event
 * @param {Hit} hit
 * @param {Stretch} stretch
 */
function offerCut(event, hit, stretch) {
  if (!event.dataTransfer) return;
  const url = new URL(audioUrl(hit.recording_id, { stretch, format: "wav", download: true }), location.href);
  const name = cutName(hit.path, stretch, "wav");
  event.dataTransfer.effectAllowed = "copy";
  event.dataTransfer.setData("DownloadURL", `audio/wav:${name}:${url.href}`);
  event.dataTransfer.setData("text/uri-list", url.href);
  event.dataTransfer.setData("text/plain", url.href);
}

/**
 * Have a link's file kept once the server has it: of one that is not there browsers say no reason.
 *
 * @param {MouseEvent} event
 */
async function keepWhatIsThere(event) {
  const link = event.currentTarget;
  const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!(link instanceof HTMLAnchorElement) || opensElsewhere) return;
  event.preventDefault();
  const { href, download } = link;
  await attempt(async () => {
    await check(href);
    h("a", { href, download }).click();
  });
}

/**
 * A stretch cut out of its recording, as WAV: clicked, or dragged out.
 *
 * @param {Hit} hit
 * @param {Stretch} stretch
 */
export function downloadLink(hit, stretch) {
  const label = `Download ${clockRange(stretch)} of ${pathParts(hit.path).name}`;
  return h(
    "a",
    {
      class: "icon-button",
      href: audioUrl(hit.recording_id, { stretch, format: "wav", download: true }),
      download: cutName(hit.path, stretch, "wav"),
      ondragstart: (/** @type {DragEvent} */ event) => offerCut(event, hit, stretch),
      onclick: (/** @type {MouseEvent} */ event) => void keepWhatIsThere(event),
      "aria-label": label,
      title: label,
    },
    icon("download"),
  );
}

/**
 * @param {string} text
 * @param {readonly string[]} words
 * @returns {(Node | string)[]}
 */
function marked(text, words) {
  return markWords(text, words).map((each) => (each.marked ? h("mark", {}, each.text) : each.text));
}

/**
 * @param {readonly import("./types.js").Word[]} words
 * @returns {(Node | string)[]}
 */
function lifts(words) {
  return words.flatMap((each) => {
    const text = each.read_as ? `${each.word}→${each.read_as}` : each.word;
    if (each.lift === null) return [h("span", { class: "lift unknown", title: "not known to the model" }, text), " "];
    const strength = Math.abs(each.lift) >= STRONG ? " strong" : "";
    const side = Math.abs(each.lift) < CLEAR ? "" : each.lift > 0 ? " for" : " against";
    const told = `${each.lift > 0 ? "+" : ""}${each.lift.toFixed(1)} nats`;
    return [h("span", { class: `lift${side}${strength}`, title: told }, text), " "];
  });
}
