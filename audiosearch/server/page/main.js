// Puts the page together: the address says what is asked, the search answers, the list shows.

import { Basket, exportHits, fillKnownNames } from "./basket.js";
import { announce, byId, h, icon, iconButton, noteAnswer, notify, visible } from "./dom.js";
import { DetailPanel } from "./details.js";
import { changes, factsOf, renewFacts, setFavourite, setRating } from "./facts.js";
import { chip, openFilters, showChips } from "./filters.js";
import { clock, clockRange, counted, pathParts, size } from "./format.js";
import { refusals, seconds } from "./api.js";
import { listen, showKeys } from "./keys.js";
import { followStatus, LibraryPanel, showProgress } from "./library_panel.js";
import { painted } from "./loader.js";
import { hitKey, Player } from "./player.js";
import { showProblem } from "./problems.js";
import { Results } from "./results.js";
import { downloadLink } from "./row.js";
import { SavedPanel } from "./saved.js";
import { counts, Search } from "./search.js";
import { acceptSounds } from "./sound_input.js";
import { Address, emptyState, readLike, readState } from "./state.js";
import { offerThemes } from "./theme.js";
import { tokenForm } from "./token_form.js";
import { changeSpeed, showTransport } from "./transport.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Stretch} Stretch */
/** @typedef {import("./types.js").Upload} Upload */
/** @typedef {import("./search.js").Failure} Failure */
/** @typedef {import("./search.js").Outcome} Outcome */
/** @typedef {import("./keys.js").Binding} Binding */

const MOST_UPLOAD = 256 * 2 ** 20; // bytes that the server takes

const address = new Address();
const search = new Search();
const player = new Player();
const basket = new Basket();
const field = byId("q", HTMLInputElement);
const panel = byId("panel", HTMLElement);
const start = byId("start", HTMLElement);
const remarks = byId("remarks", HTMLElement);

// --- The list

const results = new Results(
  {
    play: (line, where) => void playLine(line, where),
    similar: askSimilar,
    open: (hit) => address.change({ panel: String(hit.recording_id) }),
    tick: (line, on) => basket.tick(line, on),
    isTicked: (line) => basket.has(line),
    byTag: (tag) => address.setOption("tag", [...(address.state.options["tag"] ?? []), tag]),
  },
  () => search.more(),
  prepareAround,
);

/**
 * @param {Line} line
 * @param {{from?: number, stretch?: Stretch}} [where]
 */
async function playLine(line, where = {}) {
  const index = results.lines.indexOf(line);
  if (index >= 0) results.mark(index);
  const moment = where.stretch ? line.moments.find((each) => each === where.stretch) : undefined;
  await player.play(moment ?? line.hit, where);
  prepareAround();
}

/** What may be played next is loaded: the line below, and the one above. */
function prepareAround() {
  const near = [1, -1].map((step) => results.lines[Math.max(0, results.current) + step]?.hit);
  const wanted = results.current < 0 ? [results.lines[0]?.hit] : near;
  player.prepare(wanted.filter((each) => each !== undefined && !each.offline).map((each) => /** @type {Hit} */ (each)));
}

/**
 * @param {Hit} hit
 * @param {Stretch | null} stretch
 */
function askSimilar(hit, stretch) {
  const part = stretch ?? (hit.start_s > 0 || hit.end_s < hit.duration_s ? hit : null);
  const like = part ? `${hit.recording_id}@${seconds(part.start_s)}-${seconds(part.end_s)}` : String(hit.recording_id);
  names.set(hit.recording_id, pathParts(hit.path).name);
  address.change({ like, q: "", show: "" });
}

/** @type {Map<number, string>} names of recordings, for the chip of a question by sound */
const names = new Map();

/** @param {number} step */
function playNext(step) {
  const line = results.go(results.current + step);
  if (line) void playLine(line);
}

/** @param {number} step along the moments of the line, or by a second */
function moveAlong(step) {
  const line = results.line;
  if (!line) return;
  if (line.moments.length < 2) {
    void player.seek(player.at + step);
    return;
  }
  const inOrder = [...line.moments].sort((a, b) => a.start_s - b.start_s);
  const now = inOrder.findIndex((each) => each === player.hit);
  const next = inOrder[Math.min(inOrder.length - 1, Math.max(0, now + step))];
  if (next) void playLine(line, { stretch: next });
}

// --- The question

search.addEventListener("busy", () => byId("feed", HTMLElement).setAttribute("aria-busy", "true"));
search.addEventListener("nothing", () => {
  noteAnswer();
  results.show([], { grouped: false, goesOn: false });
  start.hidden = false;
  byId("tick-all", HTMLButtonElement).hidden = true;
  byId("count", HTMLElement).textContent = "";
  remarks.replaceChildren();
  document.title = "audiosearch";
});
search.addEventListener("problem", (event) => {
  if (event instanceof CustomEvent) showFailure(event.detail);
});
search.addEventListener("outcome", (event) => {
  if (event instanceof CustomEvent) showOutcome(event.detail);
});

/** @param {Failure} failure */
function showFailure({ error, goesOn }) {
  byId("feed", HTMLElement).setAttribute("aria-busy", "false");
  showProblem(error, { untilAnswer: true });
  if (goesOn) return;
  results.showStale();
  byId("count", HTMLElement).textContent = results.lines.length ? "No answer; below is that to the question before" : "No answer";
  byId("tick-all", HTMLButtonElement).hidden = true;
  remarks.replaceChildren();
  remarks.hidden = true;
}

/** @param {Outcome} outcome */
function showOutcome({ answer, goesOn, ms }) {
  noteAnswer();
  start.hidden = true;
  const grouped = Boolean(address.state.options["moments"]) && counts(address.state, "moments");
  const weaker = (answer.weaker ?? []).map((each) => ({ ...each, weak: true }));
  if (!goesOn) renewFacts(); // a command may have written some meanwhile
  results.show([...answer.hits, ...weaker], { grouped, goesOn });
  const n = counted(answer.hits.length, grouped ? "moment" : "sound");
  const more = answer.more ? `, ${answer.more.toLocaleString("en")} more` : "";
  const weak = weaker.length ? `, ${weaker.length} weaker` : "";
  const told = answer.hits.length ? `${n}${more}${weak}` : `Nothing found${weak}`;
  byId("count", HTMLElement).textContent = `${told} · ${Math.round(ms)} ms`;
  byId("tick-all", HTMLButtonElement).hidden = !results.lines.length;
  if (!goesOn) announce(told);
  remarks.replaceChildren(...(answer.remarks ?? []).map((each) => h("p", {}, each)));
  remarks.hidden = !answer.remarks?.length;
  const asked = address.state.q || (address.state.like && "sounds like this") || address.state.show;
  document.title = asked ? `${visible(asked)} – audiosearch` : "audiosearch";
  if (!goesOn) void painted().then(prepareAround);
}

// Whoever comes back to the page may have written something by a command.
addEventListener("focus", () => {
  renewFacts();
  results.loadFacts();
  if (open?.content instanceof DetailPanel) open.content.renew();
});

field.addEventListener("input", () => address.change({ q: field.value, show: "" }, { typing: true }));
byId("search", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  search.ask(address.state, false);
});
field.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" && results.lines.length) {
    event.preventDefault();
    results.go(Math.max(0, results.current));
  } else if (event.key === "Escape" && !field.value) {
    field.blur();
  }
});

let asked = "";
/** @param {boolean} typing */
function followAddress(typing) {
  const { state } = address;
  if (document.activeElement !== field || !typing) field.value = state.q;
  showChips(byId("chips", HTMLElement), address, () => openFilters(address));
  if (state.like || state.show) byId("chips", HTMLElement).prepend(soundChip());
  byId("moments", HTMLButtonElement).setAttribute("aria-pressed", String(Boolean(state.options["moments"])));
  basket.showCollection(state.show);
  showPanel();
  const question = JSON.stringify([state.q.trim(), state.like, state.show, state.options]);
  if (question === asked) return;
  asked = question;
  search.ask(state, typing);
}

function soundChip() {
  const { like, show } = address.state;
  if (show) return chip(`Collection ${show}`, () => address.change({ show: "" }));
  const part = readLike(like);
  const toEnd = part?.stretch?.end_s === Infinity;
  const stretch = part?.stretch ? ` ${toEnd ? `from ${clock(part.stretch.start_s)}` : clockRange(part.stretch)}` : "";
  const name = part ? (names.get(part.recording) ?? `recording ${part.recording}`) : search.uploads.get(like)?.name;
  return chip(`Sounds like ${name ?? "a sound that is gone"}${stretch}`, () => address.change({ like: "" }));
}

/** @param {Upload} upload */
function askUpload(upload) {
  if (upload.body.size > MOST_UPLOAD) {
    const remedy = "Cut out the part that matters, or index it and ask by that.";
    notify(`${upload.name} is larger than ${size(MOST_UPLOAD)}`, { remedy, isError: true });
    return;
  }
  address.change({ like: search.take(upload), show: "" });
}

// --- The panel at the side

const PANELS = /^(?:library|saved|\d{1,15})$/u; // the last: a recording

/** @type {{key: string, content: {element: HTMLElement, close: () => void}} | null} */
let open = null;

function showPanel() {
  const key = PANELS.test(address.state.panel) ? address.state.panel : "";
  if (open?.key === key) return;
  open?.content.close();
  open = null;
  panel.hidden = key === "";
  byId("page", HTMLElement).classList.toggle("with-panel", key !== "");
  if (!key) return;
  const content = panelOf(key);
  open = { key, content };
  const close = iconButton("close", "Close the panel (Escape)", closePanel, { id: "close-panel" });
  panel.replaceChildren(close, content.element);
  panel.scrollTop = 0;
  panel.focus({ preventScroll: true });
}

/** @param {string} key */
function panelOf(key) {
  if (key === "library") return new LibraryPanel();
  if (key === "saved") return new SavedPanel(address);
  const recording = Number(key);
  const line = results.lines.find((each) => each.hit.recording_id === recording);
  return new DetailPanel(recording, line?.moments ?? [], {
    play: (hit, where) => void player.play(hit, where),
    similar: askSimilar,
  });
}

function closePanel() {
  if (!address.state.panel) return;
  address.change({ panel: "" });
  if (results.current >= 0) results.go(results.current);
}

// Links to states of this page are followed without loading it anew.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-state], a[data-in]") : null;
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const next = link.dataset["in"] === undefined ? readState(new URL(link.href).search) : null;
  if (next) address.change({ ...next, panel: "" });
  else address.setOption("in", [link.dataset["in"] ?? ""]);
});

// --- What plays

player.addEventListener("change", () => {
  results.showPlaying(player.hit);
  if (player.isSounding) noteAnswer();
});
player.addEventListener("problem", (event) => {
  if (event instanceof CustomEvent) showProblem(event.detail, { untilAnswer: true });
});
let naming = 0;
changes.addEventListener("change", () => {
  window.clearTimeout(naming); // once for all that is written in a row
  naming = window.setTimeout(() => {
    void fillKnownNames();
    if (open?.content instanceof SavedPanel) open.content.loadCollections();
  }, 100);
});
basket.addEventListener("change", () => results.showTicks());
basket.addEventListener("taken-out", () => search.again());

const showTime = showTransport(player, {
  previous: () => playNext(-1),
  next: () => playNext(1),
  toggle: togglePlaying,
});
player.onTime = (/** @type {number} */ at) => {
  showTime(at);
  if (player.hit) results.showHead(player.hit, at);
  if (open?.content instanceof DetailPanel && open.content.recording === player.hit?.recording_id) {
    open.content.wave?.showHead(at);
  }
};

function togglePlaying() {
  if (player.isPlaying) {
    player.toggle();
    return;
  }
  const line = results.line ?? results.lines[0];
  if (line && !isPlayersLine(line)) void playLine(line);
  else player.toggle();
}

/**
 * Whether what plays, or did, is of a line: a stretch of it, or what the panel plays of its recording.
 *
 * @param {Line} line
 */
function isPlayersLine(line) {
  const { hit } = player;
  if (hit === null || hit.recording_id !== line.hit.recording_id) return false;
  const isOf = (/** @type {Line} */ each) => each.moments.some((moment) => hitKey(moment) === hitKey(hit));
  return isOf(line) || !results.lines.some(isOf);
}

// --- Keys

/** @param {(line: Line) => void} act */
const onLine = (act) => () => {
  if (results.line) act(results.line);
};

/** @type {Binding[]} */
const bindings = [
  { keys: ["/"], shown: "/", does: "Search", act: () => (field.focus(), field.select()) },
  { keys: ["j", "ArrowDown"], shown: "j ↓", does: "Next sound; plays it if one plays", act: () => step(1) },
  { keys: ["k", "ArrowUp"], shown: "k ↑", does: "The sound before", act: () => step(-1) },
  { keys: ["Home"], shown: "Home", does: "First sound", act: () => results.go(0) },
  { keys: ["End"], shown: "End", does: "Last sound", act: () => results.go(results.lines.length - 1) },
  { keys: ["PageDown"], shown: "Page ↓", does: "Ten on", act: () => results.go(results.current + 10) },
  { keys: ["PageUp"], shown: "Page ↑", does: "Ten back", act: () => results.go(results.current - 10) },
  { keys: [" "], shown: "Space", does: "Play from the stretch, or pause", act: togglePlaying },
  { keys: ["ArrowRight"], shown: "→", does: "Next moment of the line, or a second on", act: () => moveAlong(1) },
  { keys: ["ArrowLeft"], shown: "←", does: "Moment before, or a second back", act: () => moveAlong(-1) },
  { keys: ["l"], shown: "l", does: "Loop the stretch", act: () => player.setLoop(!player.loops) },
  { keys: ["g"], shown: "g", does: "Bring all to one loudness", act: () => player.setLevel(!player.levels) },
  { keys: ["<", ","], shown: ",", does: "Slower", act: () => changeSpeed(player, -1) },
  { keys: [">", "."], shown: ".", does: "Faster", act: () => changeSpeed(player, 1) },
  { keys: ["s"], shown: "s", does: "Sounds like this", act: onLine(({ hit }) => askSimilar(hit, null)) },
  { keys: ["x"], shown: "x", does: "Tick or untick", act: onLine((line) => basket.tick(line, !basket.has(line))) },
  { keys: ["a"], shown: "a", does: "Tick all, or none", act: tickAll },
  { keys: ["Enter", "i"], shown: "Enter", does: "All about it", act: onLine(({ hit }) => address.change({ panel: String(hit.recording_id) })) },
  { keys: ["t"], shown: "t", does: "Tag it", act: onLine(({ hit }) => tagIt(hit)) },
  { keys: ["f"], shown: "f", does: "Favourite", act: onLine(({ hit }) => void favour(hit)) },
  { keys: ["0", "1", "2", "3", "4", "5"], shown: "0–5", does: "Rate it", act: (event) => onLine(({ hit }) => void rate(hit, Number(event.key)))() },
  { keys: ["d"], shown: "d", does: "Download the stretch", act: onLine(({ hit }) => download(hit)) },
  { keys: ["e"], shown: "e", does: "Export its clip", act: onLine(({ moments }) => void exportHits(moments, "clips")) },
  { keys: ["m"], shown: "m", does: "Every moment, or the best", act: toggleMoments },
  { keys: ["?"], shown: "?", does: "These keys", act: () => showKeys(bindings) },
  { keys: ["Escape"], shown: "Esc", does: "Close what is open", act: closePanel },
];
listen(bindings);

function tickAll() {
  const on = !results.lines.every((line) => basket.has(line));
  basket.tickAll(results.lines, on);
}

/** @param {number} by */
function step(by) {
  if (player.isPlaying) playNext(by);
  else results.go(results.current + by);
}

/** @param {Hit} hit */
function tagIt(hit) {
  address.change({ panel: String(hit.recording_id) });
  if (open?.content instanceof DetailPanel) void open.content.focusTag();
}

/** @param {Hit} hit */
async function favour(hit) {
  await setFavourite(hit.recording_id, !factsOf(hit.recording_id)?.favourite).catch(showProblem);
}

/**
 * @param {Hit} hit
 * @param {number} stars
 */
async function rate(hit, stars) {
  await setRating(hit.recording_id, stars || null).catch(showProblem);
}

/** @param {Hit} hit */
function download(hit) {
  downloadLink(hit, hit).click();
  notify(`Downloading ${clockRange(hit)} of ${pathParts(hit.path).name}`);
}

function toggleMoments() {
  address.setOption("moments", address.state.options["moments"] ? [] : ["true"]);
}

// --- Another token is due: it was made anew while this page was open

refusals.addEventListener("locked", () => {
  const dialog = byId("locked", HTMLDialogElement);
  if (dialog.open) return;
  const unlock = () => {
    dialog.close();
    search.ask(address.state, false);
  };
  dialog.replaceChildren(h("h2", { id: "locked-title" }, "This library asks for its token"), tokenForm(unlock));
  dialog.showModal();
});

// --- The buttons of index.html

/**
 * @param {string} id
 * @param {import("./dom.js").Icon} name
 * @param {() => void} act
 */
function wire(id, name, act) {
  const button = byId(id, HTMLButtonElement);
  button.prepend(icon(name));
  button.addEventListener("click", act);
}

/** @param {string} key */
const togglePanel = (key) => () => address.change({ panel: address.state.panel === key ? "" : key });
wire("open-filters", "filter", () => openFilters(address));
wire("moments", "moments", toggleMoments);
byId("tick-all", HTMLButtonElement).addEventListener("click", tickAll);
wire("open-saved", "bookmark", togglePanel("saved"));
wire("open-library", "library", togglePanel("library"));
wire("open-keys", "help", () => showKeys(bindings));
const theme = byId("theme", HTMLButtonElement);
theme.prepend(icon("theme"));
offerThemes(theme, () => results.redraw());
byId("home", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault();
  address.change(emptyState());
  field.focus();
});

acceptSounds(askUpload);
followStatus(
  (status) => {
    showProgress(status);
    if (open?.content instanceof LibraryPanel) open.content.showStatus(status);
  },
  () => search.retry(),
);
address.addEventListener("change", (event) => {
  followAddress(event instanceof CustomEvent && event.detail.typing);
});
followAddress(false);
void fillKnownNames();
if (!address.state.panel && matchMedia("(pointer: fine)").matches) field.focus();
