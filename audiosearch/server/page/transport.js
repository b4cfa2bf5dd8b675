// The bar below: what plays, and how.

import { byId, h, icon, iconButton, visible } from "./dom.js";
import { clock, pathParts } from "./format.js";

/** @typedef {import("./player.js").Player} Player */

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 4];

/**
 * @param {Player} player
 * @param {{previous: () => void, next: () => void, toggle: () => void}} actions
 */
export function showTransport(player, actions) {
  const play = iconButton("play", "Play or pause (space)", actions.toggle, { id: "play" });
  const loop = iconButton("loop", "Loop the stretch (l)", () => player.setLoop(!player.loops), { id: "loop" });
  const level = iconButton("level", "Bring all to one loudness (g)", () => player.setLevel(!player.levels), { id: "level" });
  const name = h("span", { class: "now-name" }, "Nothing plays");
  const time = h("output", { class: "now-time", "aria-label": "Time" }, "");
  const speed = h(
    "select",
    { "aria-label": "Speed", onchange: () => player.setSpeed(Number(speed.value)) },
    ...SPEEDS.map((each) => h("option", { value: each, selected: each === 1 }, `${each}×`)),
  );
  const volume = h("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.01",
    value: "1",
    "aria-label": "Volume",
    oninput: () => player.setVolume(Number(volume.value)),
  });
  const seek = h("input", {
    type: "range",
    class: "seek",
    min: "0",
    max: "0",
    step: "0.1",
    value: "0",
    disabled: true,
    "aria-label": "Place in the recording",
    oninput: () => void player.seek(Number(seek.value)),
  });
  byId("transport", HTMLElement).append(
    h(
      "div",
      { class: "keys" },
      iconButton("previous", "Play the one before (k)", actions.previous),
      play,
      iconButton("next", "Play the next (j)", actions.next),
      loop,
      level,
    ),
    h("div", { class: "now" }, name, time),
    seek,
    h("label", { class: "speed" }, speed),
    volume,
  );
  const showTime = (/** @type {number} */ at) => {
    time.textContent = clock(at);
    seek.value = String(at);
    seek.setAttribute("aria-valuetext", clock(at));
  };
  player.addEventListener("change", () => {
    const { hit } = player;
    play.replaceChildren(icon(player.isPlaying ? "pause" : "play"));
    play.setAttribute("aria-pressed", String(player.isPlaying));
    loop.setAttribute("aria-pressed", String(player.loops));
    level.setAttribute("aria-pressed", String(player.levels));
    speed.value = String(SPEEDS.find((each) => each >= player.speed) ?? 1);
    name.textContent = hit ? visible(pathParts(hit.path).name) : "Nothing plays";
    seek.disabled = !hit;
    if (hit) seek.max = String(Math.max(hit.duration_s, hit.end_s));
    if (hit) showTime(player.at);
  });
  player.dispatchEvent(new Event("change"));
  return showTime;
}

/**
 * @param {Player} player
 * @param {number} steps
 */
export function changeSpeed(player, steps) {
  const at = SPEEDS.indexOf(player.speed);
  player.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + steps))] ?? 1);
}
