// The keys that work while nothing is typed, and the page that tells them.

import { byId, h, icon, isTyping } from "./dom.js";

/** @typedef {{keys: string[], shown: string, does: string, act: (event: KeyboardEvent) => void}} Binding */

/** @param {Binding[]} bindings */
export function listen(bindings) {
  const byKey = new Map(bindings.flatMap((each) => each.keys.map((key) => [key, each])));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const isButton = event.target instanceof HTMLElement && event.target.closest("button, a, summary, input");
    if (isButton && (event.key === " " || event.key === "Enter")) return;
    const binding = byKey.get(event.key);
    if (!binding) return;
    event.preventDefault();
    binding.act(event);
  });
}

/** @param {Binding[]} bindings */
export function showKeys(bindings) {
  const dialog = byId("keys", HTMLDialogElement);
  dialog.replaceChildren(
    h("h2", { id: "keys-title" }, icon("help"), "Keys"),
    h(
      "dl",
      { class: "keys-table" },
      ...bindings.flatMap((each) => [h("dt", {}, h("kbd", {}, each.shown)), h("dd", {}, each.does)]),
    ),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close"),
    ),
  );
  dialog.showModal();
}
