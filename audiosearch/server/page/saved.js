// Saved searches and collections, each a link to its state.

import { getList, segment, send } from "./api.js";
import { h, iconButton, notify } from "./dom.js";
import { attempt, problem } from "./problems.js";
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
    getList("searches", signal).then((rows) => this.showSearches(rows), this.telling(this.searches));
    this.loadCollections();
  }

  loadCollections() {
    const { signal } = this.gone;
    getList("collections", signal).then((rows) => this.showCollections(rows), this.telling(this.collections));
  }

  /** @param {HTMLElement} place */
  telling(place) {
    return (/** @type {unknown} */ error) => {
      if (!this.gone.signal.aborted) place.replaceChildren(problem(error));
    };
  }

  /** @param {Record<string, any>[]} rows */
  showSearches(rows) {
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
        ...rows.map((row) =>
          h(
            "li",
            {},
            row["query"]
              ? h("a", { href: writeState(stateOf(row["query"])), "data-state": "" }, row["name"])
              : h("span", { title: row["arguments"].join(" ") }, `${row["name"]} (for the command)`),
            iconButton("close", `Delete the search ${row["name"]}`, () => this.remove("searches", row["name"])),
          ),
        ),
      ),
    );
  }

  /** @param {Record<string, any>[]} rows */
  showCollections(rows) {
    this.collections.replaceChildren(
      h("h3", {}, "Collections"),
      ...(rows.length ? [] : [h("p", { class: "hint" }, "Tick sounds to collect them.")]),
      h(
        "ul",
        { class: "plain" },
        ...rows.map(({ name }) =>
          h(
            "li",
            {},
            h("a", { href: writeState({ ...emptyState(), show: name }), "data-state": "" }, name),
            iconButton("close", `Delete the collection ${name}`, () => this.remove("collections", name)),
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
  const query = searchParams(state);
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name);
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
