// Elements are made here alone. Strings become text nodes or attributes, never markup, so that no
// file's name, caption or tag can be more than text.

const SVG = "http://www.w3.org/2000/svg";
// What a terminal would obey, what turns the order of letters and what has no width: in names from
// outside they make a lie of what is read. Commands show them in the same way (display_text).
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const JOINERS = "\u200c\u200d"; // as some scripts and emoji need them, between letters of theirs
const SHORT = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]);
const SHOWN = new Set(["title", "aria-label", "placeholder"]); // attributes that are read by people

/**
 * A text as people see it: one line, and nothing in it that is not seen.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(UNPRINTABLE, (each, at) =>
    JOINERS.includes(each) && isJoined(text, at) ? each : (SHORT.get(each) ?? escaped(each.codePointAt(0) ?? 0)),
  );
}

/** @param {number} code */
function escaped(code) {
  const digits = code.toString(16);
  if (code < 0x100) return `\\x${digits.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}

/**
 * Whether the character there stands between two that are seen and are not ASCII.
 *
 * @param {string} text
 * @param {number} at
 */
function isJoined(text, at) {
  const around = [[...text.slice(0, at)].at(-1) ?? "", [...text.slice(at + 1)][0] ?? ""];
  return around.every((each) => each > "\x7f" && each.search(UNPRINTABLE) < 0);
}

/** @typedef {string | readonly string[] | number | boolean | null | undefined | ((event: any) => void)} Value */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, Value>} [attributes] `onclick` and the like are functions;
 *   a list is lines, as a `title` may have
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value);
    } else if (name.startsWith("on")) {
      throw new TypeError(`${name} must be a function`);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, SHOWN.has(name) ? lines(value) : String(value));
    }
  }
  for (const child of children) {
    if (child) element.append(typeof child === "string" ? visible(child) : child);
  }
  return element;
}

/** @param {string | number | true | readonly string[]} value */
function lines(value) {
  return (Array.isArray(value) ? value : [value]).map((each) => visible(String(each))).join("\n");
}

/**
 * An element of index.html.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return element;
}

const SHAPES = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z",
  previous: "M6 5h2.4v14H6zM19 5v14L9 12z",
  next: "M15.6 5H18v14h-2.4zM5 5v14l10-7z",
  loop: "M7 7h9.2l-2-2L15.600 3.600 20 8l-4.400 4.400-1.400-1.400 2-2H9v3H7zM17 17H7.800l2 2-1.400 1.400L4 16l4.400-4.400 1.400 1.400-2 2H15v-3h2z",
  moments: "M3 11h18v2H3zM6 5h3v14H6zM14 7.500h4v9h-4z",
  level: "M4 10h3v10H4zM10.500 4h3v16h-3zM17 13h3v7h-3z",
  similar: "M3 10c2.500-4 5-4 7.500-1.500S16 11 18.500 7l2 1.300C17.500 13 14 13.500 10.800 10.300 9 8.500 7 8.500 5 11.300zM3 17c2.500-4 5-4 7.500-1.500S16 18 18.500 14l2 1.300C17.500 20 14 20.500 10.800 17.300 9 15.500 7 15.500 5 18.300z",
  download: "M11 4h2v8.200l3-3 1.400 1.400L12 16l-5.400-5.400L8 9.200l3 3zM5 18h14v2H5z",
  details: "M4 6h16v2H4zM4 11h16v2H4zM4 16h10v2H4z",
  close: "M6.400 5 12 10.600 17.600 5 19 6.400 13.400 12l5.600 5.600-1.400 1.400L12 13.400 6.400 19 5 17.600 10.600 12 5 6.400z",
  microphone: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11h2a4 4 0 0 0 8 0h2a6 6 0 0 1-5 5.900V20h3v2H8v-2h3v-3.100A6 6 0 0 1 6 11z",
  file: "M6 3h8l4 4v14H6zM8 5v14h8V8h-3V5zM10 11h4v2h-4zM10 14.500h4v2h-4z",
  stop: "M6 6h12v12H6z",
  library: "M4 4h4v16H4zM10 4h4v16h-4zM16.300 5l3.500-.900L23 19l-3.500.900z",
  star: "m12 3 2.700 5.800 6.300.800-4.600 4.400 1.200 6.300L12 17.200l-5.600 3.100 1.200-6.300L3 9.600l6.300-.800z",
  heart: "M12 20.500 4.200 12.700a5 5 0 0 1 7.100-7.100l.700.700.700-.700a5 5 0 0 1 7.100 7.100z",
  theme: "M12 3a9 9 0 1 0 0 18zM12 5v14a7 7 0 0 0 0-14z",
  bookmark: "M6 3h12v18l-6-4.500L6 21z",
  filter: "M3 5h18v2H3zM6 11h12v2H6zM10 17h4v2h-4z",
  help: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1 14h2v2h-2zm1-10a4 4 0 0 1 4 4c0 2.200-3 2.500-3 5h-2c0-3.500 3-3.500 3-5a2 2 0 0 0-4 0H8a4 4 0 0 1 4-4z",
};

/** @typedef {keyof typeof SHAPES} Icon */

/**
 * @param {Icon} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/**
 * A button that shows an icon and says its name to those who do not see it.
 *
 * @param {Icon} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, Value>} [attributes]
 * @returns {HTMLButtonElement}
 */
export function iconButton(name, label, onclick, attributes = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes },
    icon(name),
  );
}

/**
 * Whether keys now belong to what is typed into.
 *
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** @param {string} text what a screen reader shall say now */
export function announce(text) {
  byId("status", HTMLElement).textContent = text;
}

let hiding = 0;

/**
 * Say what happened, for a few seconds; errors until the next message.
 *
 * @param {string} text
 * @param {{remedy?: string | null, isError?: boolean, untilAnswer?: boolean}} [how] `untilAnswer`:
 *   a good answer shows that it holds no more
 */
export function notify(text, { remedy = null, isError = false, untilAnswer = false } = {}) {
  const place = byId("notice", HTMLElement);
  window.clearTimeout(hiding);
  const close = iconButton("close", "Close this message", () => {
    place.hidden = true;
  });
  place.replaceChildren(
    h("p", {}, h("span", {}, text), remedy ? h("small", {}, remedy) : null),
    close,
  );
  place.classList.toggle("error", isError);
  place.classList.toggle("until-answer", untilAnswer);
  place.hidden = false;
  if (!isError) hiding = window.setTimeout(() => (place.hidden = true), 5000);
}

/** An answer came: what was said of its absence is taken back. */
export function noteAnswer() {
  const place = byId("notice", HTMLElement);
  if (place.classList.contains("until-answer")) place.hidden = true;
}
