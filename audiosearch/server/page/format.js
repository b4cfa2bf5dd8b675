// Pure: how times, sizes and names are shown.

/**
 * `0:03.5`, `12:40`, `1:02:03`, as the command shows it: tenths below a minute.
 *
 * @param {number} seconds
 */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor((tenths % 36000) / 600);
  const rest = tenths % 600;
  const two = String(Math.floor(rest / 10)).padStart(2, "0");
  if (hours) return `${hours}:${String(minutes).padStart(2, "0")}:${two}`;
  if (minutes || rest % 10 === 0) return `${minutes}:${two}`;
  return `${minutes}:${two}.${rest % 10}`;
}

/** @param {{start_s: number, end_s: number}} stretch */
export function clockRange(stretch) {
  return `${clock(stretch.start_s)}–${clock(stretch.end_s)}`;
}

/**
 * For how long: `4.6 h`, `12 min`, `35 s`.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds >= 3600) return `${(seconds / 3600).toFixed(1)} h`;
  if (seconds >= 60) return `${Math.round(seconds / 60)} min`;
  return seconds >= 10 ? `${Math.round(seconds)} s` : `${seconds.toFixed(1)} s`;
}

/** @param {number} bytes */
export function size(bytes) {
  let amount = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (amount < 1000) return unit === "B" ? `${amount} B` : `${amount.toFixed(1)} ${unit}`;
    amount /= 1000;
  }
  return `${amount.toFixed(1)} TB`;
}

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function counted(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/**
 * A path's folder, with the last separator, and its name. A backslash parts only those of Windows.
 *
 * @param {string} path
 * @returns {{folder: string, name: string}}
 */
export function pathParts(path) {
  const at = Math.max(path.lastIndexOf("/"), path.startsWith("/") ? -1 : path.lastIndexOf("\\"));
  return { folder: path.slice(0, at + 1), name: path.slice(at + 1) };
}

/**
 * Small letters without accents, and for each of them the place in the text that it stands for.
 *
 * @param {string} text
 * @returns {{letters: string, places: number[]}}
 */
function folded(text) {
  let letters = "";
  /** @type {number[]} */
  const places = [];
  let at = 0;
  for (const character of text) {
    const plain = character.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    letters += plain;
    for (let i = 0; i < plain.length; i += 1) places.push(at);
    at += character.length;
  }
  places.push(at);
  return { letters, places };
}

/**
 * What of a word may stand in a text in its place: itself, or what its forms share.
 *
 * @param {string} word
 */
function forms(word) {
  const stem = word.replace(/(ing|ed|es|s)$/u, "");
  return stem.length >= 3 && stem !== word ? [word, stem] : [word];
}

/**
 * A text in pieces, of which those that hold one of the words are marked.
 *
 * @param {string} text
 * @param {readonly string[]} words
 * @returns {{text: string, marked: boolean}[]}
 */
export function markWords(text, words) {
  const { letters, places } = folded(text);
  const isMarked = new Uint8Array(text.length);
  for (const word of words) {
    const { letters: wanted } = folded(word);
    const found = forms(wanted).find((form) => form && letters.includes(form));
    if (found === undefined) continue;
    for (let at = letters.indexOf(found); at >= 0; at = letters.indexOf(found, at + found.length)) {
      isMarked.fill(1, places[at], places[at + found.length]);
    }
  }
  /** @type {{text: string, marked: boolean}[]} */
  const pieces = [];
  for (let start = 0, end = 1; end <= text.length; end += 1) {
    if (end === text.length || isMarked[end] !== isMarked[start]) {
      pieces.push({ text: text.slice(start, end), marked: isMarked[start] === 1 });
      start = end;
    }
  }
  return pieces;
}

/**
 * `2026-05-01 22:14:05` of an ISO 8601 time by the recorder's clock.
 *
 * @param {string} iso
 */
export function wallClock(iso) {
  return iso.replace("T", " ").replace(/\.\d+/u, "");
}

/**
 * The time by a clock some seconds later, in the same form; the clock is not put back or on between.
 *
 * @param {string} iso
 * @param {number} seconds
 */
export function clockAfter(iso, seconds) {
  const [, local, offset] = /^([\d-]+T[\d:.]+)(.*)$/u.exec(iso) ?? [];
  const time = Date.parse(`${local}Z`);
  if (Number.isNaN(time)) return iso;
  return new Date(time + 1000 * seconds).toISOString().replace("Z", offset ?? "");
}

/**
 * A name for a cut that every system takes.
 *
 * @param {string} path
 * @param {{start_s: number, end_s: number}} stretch
 * @param {string} ending
 */
export function cutName(path, stretch, ending) {
  const { name } = pathParts(path);
  const stem = name.replace(/\.[^.]*$/u, "") || name;
  const plain = stem.replace(/[<>:"/\\|?*\p{Cc}]/gu, "_");
  return `${plain} ${stretch.start_s.toFixed(1)}-${stretch.end_s.toFixed(1)}.${ending}`;
}
