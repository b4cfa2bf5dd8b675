// The options of a question: a dialog to set them, a chip for each that is set.

import { byId, h, icon, iconButton } from "./dom.js";
import { counts } from "./search.js";

/** @typedef {import("./state.js").Address} Address */

/**
 * @typedef {object} Field
 * @property {string} name of the command's option
 * @property {string} label
 * @property {string} [hint] an example
 * @property {boolean} [flag]
 * @property {string[]} [choices]
 */

/** @type {{title: string, fields: Field[]}[]} */
const GROUPS = [
  {
    title: "Heard",
    fields: [
      { name: "without", label: "Without", hint: "thunder" },
      { name: "moments", label: "Every moment", flag: true },
      { name: "per-file", label: "Moments of each file", hint: "3" },
      { name: "min-score", label: "Least score", hint: "0.3" },
      { name: "exhaustive", label: "Listen to all (slow)", flag: true },
    ],
  },
  {
    title: "File",
    fields: [
      { name: "in", label: "Below folder", hint: "*/ambience" },
      { name: "not-in", label: "Not below folder", hint: "*/raw" },
      { name: "name", label: "Name", hint: "door wood, *.wav" },
      { name: "format", label: "Format", hint: "wav" },
      { name: "since", label: "Changed since", hint: "yesterday, 2026-05-01" },
      { name: "ucs", label: "UCS category", hint: "DOOR*" },
      { name: "online", label: "There now", choices: ["true", "false"] },
    ],
  },
  {
    title: "Sound",
    fields: [
      { name: "min-duration", label: "At least so long", hint: "1.5m" },
      { name: "max-duration", label: "At most so long", hint: "10" },
      { name: "rate", label: "Sample rate", hint: "48k, 96k:" },
      { name: "channels", label: "Channels", hint: "stereo, 3:" },
      { name: "bit-depth", label: "Bit depth", hint: "24, 24:" },
      { name: "loudness", label: "Loudness (LUFS)", hint: "-30:-16" },
      { name: "peak", label: "Peak (dBFS)", hint: ":-3" },
      { name: "between", label: "Recorded between", hint: "22:00-05:00" },
      { name: "date", label: "Recorded on", hint: "2026-05" },
    ],
  },
  {
    title: "Yours",
    fields: [
      { name: "tag", label: "Tag", hint: "creaky door" },
      { name: "not-tag", label: "Not tag" },
      { name: "rating", label: "Rating", hint: "4:" },
      { name: "collection", label: "Collection" },
      { name: "favourite", label: "Favourites", choices: ["true", "false"] },
    ],
  },
  {
    title: "Order",
    fields: [
      { name: "sort", label: "Sort by", choices: ["duration", "date", "name", "loudness"] },
      { name: "reverse", label: "The other way round", flag: true },
      { name: "by-time", label: "Moments by time", flag: true },
      { name: "limit", label: "At most so many", hint: "100" },
      { name: "like-weight", label: "Weight of the sound", hint: "0.6" },
    ],
  },
];

const SEVERAL = new Set(["in", "not-in", "name", "format", "tag", "not-tag", "collection", "ucs", "date", "without"]);
/** @type {Record<string, string>} */
const SHOWN = { true: "only these", false: "only others" };
const FIELDS = new Map(GROUPS.flatMap(({ fields }) => fields.map((each) => [each.name, each])));

/**
 * The chips of what is set, each taken away by its button.
 *
 * @param {HTMLElement} place
 * @param {Address} address
 * @param {() => void} onOpen
 */
export function showChips(place, address, onOpen) {
  const chips = Object.entries(address.state.options).flatMap(([name, values]) =>
    values.map((value, n) => {
      const field = FIELDS.get(name);
      const label = field?.label ?? name;
      const text = field?.flag ? label : `${label}: ${SHOWN[value] ?? value}`;
      const without = values.filter((_, place) => place !== n);
      const isIdle = !counts(address.state, name);
      return chip(isIdle ? `${text} (not here)` : text, () => address.setOption(name, without), { onOpen, isIdle });
    }),
  );
  place.replaceChildren(...chips);
}

/**
 * @param {string} text
 * @param {() => void} onRemove
 * @param {{onOpen?: () => void, isIdle?: boolean}} [how] `isIdle`: it has no say in what is shown
 * @returns {HTMLElement}
 */
export function chip(text, onRemove, { onOpen, isIdle = false } = {}) {
  const label = onOpen
    ? h("button", { type: "button", class: "chip-text", onclick: onOpen }, text)
    : h("span", { class: "chip-text" }, text);
  const title = isIdle ? "It counts once something is asked in words" : null;
  return h("span", { class: isIdle ? "chip idle" : "chip", title }, label, iconButton("close", `Remove ${text}`, onRemove));
}

/** @param {Address} address */
export function openFilters(address) {
  const dialog = byId("filters", HTMLDialogElement);
  const inputs = new Map();
  const groups = GROUPS.map(({ title, fields }) =>
    h(
      "fieldset",
      {},
      h("legend", {}, title),
      ...fields.map((field) => {
        const input = inputOf(field, address.state.options[field.name] ?? []);
        inputs.set(field.name, input);
        return h("label", { class: field.flag ? "flag" : "field" }, h("span", {}, field.label), input);
      }),
    ),
  );
  const read = () => {
    /** @type {Record<string, string[]>} */
    const options = {};
    for (const [name, values] of Object.entries(address.state.options)) {
      if (!FIELDS.has(name)) options[name] = values;
    }
    for (const [name, input] of inputs) {
      const values = valuesOf(name, input, address.state.options[name] ?? []);
      if (values.length) options[name] = values;
    }
    return options;
  };
  const form = h(
    "form",
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        dialog.close();
        address.change({ options: read() });
      },
    },
    h("h2", { id: "filters-title" }, icon("filter"), "Filters"),
    h("div", { class: "groups" }, ...groups),
    h("p", { class: "hint" }, "Several values of one filter are parted by a semicolon."),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            dialog.close();
            address.change({ options: {} });
          },
        },
        "Remove all",
      ),
      h("button", { type: "submit", class: "primary" }, "Apply"),
    ),
  );
  dialog.replaceChildren(form);
  dialog.showModal();
}

/**
 * @param {Field} field
 * @param {string[]} values
 * @returns {HTMLInputElement | HTMLSelectElement}
 */
function inputOf(field, values) {
  if (field.flag) {
    const input = h("input", { type: "checkbox", name: field.name });
    input.checked = values.length > 0;
    return input;
  }
  if (field.choices) {
    const select = h(
      "select",
      { name: field.name },
      h("option", { value: "" }, field.name === "sort" ? "the best first" : "any"),
      ...field.choices.map((each) => h("option", { value: each }, SHOWN[each] ?? each)),
    );
    select.value = values[0] ?? "";
    return select;
  }
  const list = field.name.endsWith("tag") ? "known-tags" : null;
  const input = h("input", { type: "text", name: field.name, placeholder: field.hint, list, autocomplete: "off" });
  input.value = values.join("; ");
  return input;
}

/**
 * @param {string} name
 * @param {HTMLInputElement | HTMLSelectElement} input
 * @param {string[]} before its values until now
 * @returns {string[]}
 */
function valuesOf(name, input, before) {
  if (input instanceof HTMLInputElement && input.type === "checkbox") return input.checked ? ["true"] : [];
  if (input.value === before.join("; ")) return before; // one of them may hold a semicolon
  const texts = SEVERAL.has(name) ? input.value.split(";") : [input.value];
  return texts.map((each) => each.trim()).filter(Boolean);
}
