// Saved searches and collections, each a link to its state.

import { getJson, segment, send } from "./api.js";
import { attempt, namesIn } from "./basket.js";
import { h, iconButton, notify } from "./dom.js";
import { emptyState, searchParams, writeState } from "./state.js";

/** @typedef {import("./state.js").Address} Address */
/** @typedef {import("./types.js").State} State */

export class SavedPanel {
  /** @param {Address} address */
  constructor(address) {
    this.address = address;
    this.gone = new AbortController();
    this.searches = h("section", { "aria-label": "Saved searches" });
    this.collections = h("section", { "aria-label": "Collections" });
    this.element = h("div", { class: "saved" }, h("h2", {}, "Saved"), this.searches, this.collections);
    this.show();
  }

  close() {
    this.gone.abort();
  }

  show() {
    const { signal } = this.gone;
    getJson("/api/searches", signal).then((told) => this.showSearches(told), () => {});
    getJson("/api/collections", signal).then((told) => this.showCollections(told), () => {});
  }

  /** @param {any} told */
  showSearches(told) {
    const rows = Array.isArray(told) ? told : (Object.values(told).find(Array.isArray) ?? []);
    const name = h("input", { type: "text", placeholder: "A name for this search", "aria-label": "Name of the search", autocomplete: "off", required: true });
    const save = (/** @type {Event} */ event) => {
      event.preventDefault();
      void attempt(async () => {
        await send("PUT", `/api/searches/${segment(name.value.trim())}`, questionOf(this.address.state));
        notify(`Saved as ${name.value.trim()}`);
        this.show();
      });
    };
    this.searches.replaceChildren(
      h("h3", {}, "Searches"),
      h("form", { class: "joined", onsubmit: save }, name, h("button", { type: "submit" }, "Save this search")),
      h(
        "ul",
        { class: "plain" },
        ...rows.map((/** @type {any} */ row) =>
          h(
            "li",
            {},
            row.query
              ? h("a", { href: writeState(stateOf(row.query)), "data-state": "" }, String(row.name))
              : h("span", { title: (row.arguments ?? []).join(" ") }, `${row.name} (for the command)`),
            iconButton("close", `Delete the search ${row.name}`, () => this.remove("searches", String(row.name))),
          ),
        ),
      ),
    );
  }

  /** @param {any} told */
  showCollections(told) {
    const names = namesIn(told, "name");
    this.collections.replaceChildren(
      h("h3", {}, "Collections"),
      ...(names.length ? [] : [h("p", { class: "hint" }, "Tick sounds to collect them.")]),
      h(
        "ul",
        { class: "plain" },
        ...names.map((each) =>
          h(
            "li",
            {},
            h("a", { href: writeState({ ...emptyState(), show: each }), "data-state": "" }, each),
            iconButton("close", `Delete the collection ${each}`, () => this.remove("collections", each)),
          ),
        ),
      ),
    );
  }

  /**
   * @param {"searches" | "collections"} kind
   * @param {string} name
   */
  remove(kind, name) {
    void attempt(async () => {
      await send("DELETE", `/api/${kind}/${segment(name)}`);
      this.show();
    });
  }
}

/**
 * A state's question under the names of the command's options; several values are lists.
 *
 * @param {State} state
 */
export function questionOf(state) {
  /** @type {Record<string, string | string[]>} */
  const question = {};
  for (const name of new Set(searchParams(state).keys())) {
    const values = searchParams(state).getAll(name);
    question[name] = values.length > 1 ? values : (values[0] ?? "");
  }
  return question;
}

/**
 * The state of a saved search.
 *
 * @param {Record<string, unknown>} question
 * @returns {State}
 */
export function stateOf(question) {
  const state = emptyState();
  for (const [name, value] of Object.entries(question)) {
    const values = (Array.isArray(value) ? value : [value]).filter((each) => each !== null).map(String);
    if (name === "q" || name === "like") state[name] = values[0] ?? "";
    else if (values.length) state.options[name] = values;
  }
  return state;
}
