// A sound as the question: dropped on the page, chosen from a dialog, or heard by the microphone.

import { byId, iconButton, notify } from "./dom.js";

/** @typedef {import("./types.js").Upload} Upload */

const MOST_S = 60; // of the microphone

/** @param {(upload: Upload) => void} onSound */
export function acceptSounds(onSound) {
  const veil = byId("drop-veil", HTMLElement);
  let depth = 0; // of the elements that are dragged over
  /** @param {DragEvent} event */
  const hasFile = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!hasFile(event)) return;
    depth = Math.max(0, depth - 1);
    veil.hidden = depth === 0;
  });
  addEventListener("dragover", (event) => {
    if (hasFile(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    depth = 0;
    veil.hidden = true;
    if (!hasFile(event)) return;
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) onSound({ name: file.name, body: file });
  });
  const input = byId("sound-file", HTMLInputElement);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) onSound({ name: file.name, body: file });
    input.value = "";
  });
  const choose = iconButton("file", "Search by a sound file (or drop one here)", () => input.click());
  byId("sound-buttons", HTMLElement).append(choose, microphone(onSound));
}

/**
 * @param {(upload: Upload) => void} onSound
 * @returns {HTMLButtonElement}
 */
function microphone(onSound) {
  /** @type {MediaRecorder | null} */
  let recorder = null;
  const button = iconButton("microphone", "Search by the microphone", () => void press());
  const show = (/** @type {boolean} */ on) => {
    button.classList.toggle("recording", on);
    button.setAttribute("aria-pressed", String(on));
    const label = on ? "Stop recording, and search" : "Search by the microphone";
    button.setAttribute("aria-label", label);
    button.title = label;
  };
  const press = async () => {
    if (recorder) {
      recorder.stop();
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      recorder = begin(stream);
      show(true);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const remedy = "Let this page use the microphone in the browser's settings.";
      notify(`No microphone: ${why}`, { remedy, isError: true });
    }
  };
  const begin = (/** @type {MediaStream} */ stream) => {
    const recording = new MediaRecorder(stream);
    /** @type {Blob[]} */
    const parts = [];
    recording.addEventListener("dataavailable", ({ data }) => parts.push(data));
    const limit = window.setTimeout(() => recording.stop(), MOST_S * 1000);
    recording.addEventListener("stop", () => {
      window.clearTimeout(limit);
      for (const track of stream.getTracks()) track.stop();
      recorder = null;
      show(false);
      const type = recording.mimeType.split(";")[0] ?? "";
      onSound({ name: "microphone", body: new Blob(parts, { type }) });
    });
    recording.start();
    return recording;
  };
  show(false);
  return button;
}
