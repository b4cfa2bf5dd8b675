// Asks for the token of the library. The server keeps it in a cookie that no script can read. This
// module is served to those who have no token, so it imports nothing but what they may have.

import { h } from "./dom.js";

/**
 * @param {() => void} onDone the browser shows the token from now on
 * @returns {HTMLFormElement}
 */
export function tokenForm(onDone) {
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true, autocapitalize: "off", spellcheck: "false" });
  const said = h("p", { class: "problem", role: "alert" });
  const send = async () => {
    said.textContent = await refusalOf(field.value.trim());
    if (said.textContent) field.select();
    else onDone();
  };
  return h(
    "form",
    {
      class: "token",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void send();
      },
    },
    h("label", { for: "token" }, "Token"),
    h("span", { class: "joined" }, field, h("button", { type: "submit", class: "primary" }, "Open")),
    said,
    h("p", { class: "hint" }, "It was shown once, by ", h("code", {}, "audiosearch serve"), ". ", h("code", {}, "audiosearch serve --new-token"), " makes another."),
  );
}

/**
 * @param {string} token
 * @returns {Promise<string>} why it is not taken; empty where it is
 */
async function refusalOf(token) {
  // What is no ASCII cannot be sent, and is no token.
  if (!/^[\x21-\x7e]+$/u.test(token)) return "This is not the token.";
  try {
    const response = await fetch("/api/session", {
      method: "POST",
      credentials: "same-origin",
      headers: { Authorization: `Bearer ${token}` },
    });
    if (response.ok) return "";
    return response.status === 401 ? "This is not the token." : `The server answered ${response.status}.`;
  } catch {
    return "The server does not answer.";
  }
}
