// Plays stretches. A few audio elements stand ready, each with its gain; the next hit's is loaded
// before it is wanted, so that it starts at once.

import { audioUrl, request } from "./api.js";
import { factsOf, loadFacts } from "./facts.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Stretch} Stretch */

const PLAYABLE = new Set(["wav", "flac", "mp3", "ogg", "oga", "opus", "m4a"]);
const N_VOICES = 4; // what plays, and what may follow or have gone before
const TARGET_LUFS = -20; // what unlike sounds are brought to
const LEAST_GAIN_DB = -24;
const MOST_GAIN_DB = 24;
const CEILING_DB = -1; // of the peak, which gain does not pass

/** @param {Hit} hit */
export function hitKey(hit) {
  return `${hit.recording_id}@${hit.start_s}-${hit.end_s}`;
}

/**
 * What a recording is turned up or down by, so that all sound equally loud and none is clipped.
 *
 * @param {number | null | undefined} loudness in LUFS
 * @param {number | null | undefined} peak in dBFS
 * @returns {number} as a factor
 */
export function gainFor(loudness, peak) {
  if (loudness === null || loudness === undefined) return 1;
  let gain = Math.min(MOST_GAIN_DB, Math.max(LEAST_GAIN_DB, TARGET_LUFS - loudness));
  if (gain > 0 && peak !== null && peak !== undefined) {
    gain = Math.max(0, Math.min(gain, CEILING_DB - peak));
  }
  return 10 ** (gain / 20);
}

class Voice {
  constructor() {
    this.element = new Audio();
    this.element.preload = "auto";
    /** @type {Hit | null} */
    this.hit = null;
    this.offset = 0; // seconds of the recording before the element's first
    this.isDecoded = false; // the server decodes it
    this.isPlain = false; // one can go nowhere in it: it begins at `offset`
    this.used = 0;
    this.wanted = 0; // where in the recording it was last told to begin
    /** @type {GainNode | null} */
    this.gain = null;
  }

  get at() {
    return this.offset + this.element.currentTime;
  }
}

/** Tells `change` (of what plays, and how) and `problem` (an Error). */
export class Player extends EventTarget {
  constructor() {
    super();
    this.voices = Array.from({ length: N_VOICES }, () => this.newVoice());
    /** @type {Voice | null} */
    this.voice = null;
    /** @type {Stretch | null} what is looped, and where playing begins */
    this.stretch = null;
    this.loops = false;
    this.levels = true;
    this.speed = 1;
    this.volume = 1;
    this.uses = 0;
    this.watching = 0;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {(at_s: number) => void} */
    this.onTime = () => {};
  }

  newVoice() {
    const voice = new Voice();
    for (const name of ["playing", "pause", "ended", "waiting"]) {
      voice.element.addEventListener(name, () => {
        if (voice === this.voice) this.changed();
      });
    }
    voice.element.addEventListener("ended", () => {
      if (voice === this.voice && this.loops && this.stretch) void this.seek(this.stretch.start_s);
    });
    // In a tab that is not seen no frames are made: its loop is kept by these, which come a little late.
    voice.element.addEventListener("timeupdate", () => {
      if (voice === this.voice) this.keepLooping(voice);
    });
    voice.element.addEventListener("error", () => this.failed(voice));
    voice.element.addEventListener("loadedmetadata", () => this.measured(voice));
    return voice;
  }

  get hit() {
    return this.voice?.hit ?? null;
  }

  get isPlaying() {
    return Boolean(this.voice && !this.voice.element.paused && !this.voice.element.ended);
  }

  /** Whether what plays has come that far that it can be heard. */
  get isSounding() {
    return this.isPlaying && (this.voice?.element.readyState ?? 0) >= HTMLMediaElement.HAVE_FUTURE_DATA;
  }

  get at() {
    return this.voice?.at ?? 0;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
    this.watch();
  }

  /**
   * Play from the hit's stretch, or from elsewhere in its recording.
   *
   * @param {Hit} hit
   * @param {{from?: number, stretch?: Stretch}} [where]
   */
  async play(hit, { from, stretch } = {}) {
    const chosen = stretch ?? hit;
    const start = from ?? chosen.start_s;
    const voice = this.readied(hit, start);
    if (this.voice && this.voice !== voice) this.voice.element.pause();
    this.voice = voice;
    this.stretch = { start_s: chosen.start_s, end_s: chosen.end_s };
    this.wire(voice);
    voice.element.playbackRate = this.speed;
    await this.start(voice);
  }

  /** @param {Voice} voice */
  async start(voice) {
    try {
      await voice.element.play();
    } catch (error) {
      // Another hit was asked for meanwhile, or `error` events tell what is wrong.
      if (error instanceof DOMException && error.name === "NotAllowedError") this.problem(error);
    }
    this.changed();
  }

  /**
   * Load what may be played next.
   *
   * @param {Hit[]} hits
   */
  prepare(hits) {
    for (const hit of hits.slice(0, N_VOICES - 1)) {
      // Another stretch of what plays needs no more than to go there.
      if (hit.recording_id !== this.hit?.recording_id) this.readied(hit, hit.start_s);
    }
  }

  /**
   * The voice that holds a hit's recording, at a time of it.
   *
   * @param {Hit} hit
   * @param {number} start
   */
  readied(hit, start) {
    const same = this.voices.find((each) => each.hit?.recording_id === hit.recording_id);
    const free = this.voices.filter((each) => each !== this.voice);
    const voice = same ?? free.reduce((a, b) => (a.used <= b.used ? a : b));
    this.uses += 1;
    voice.used = this.uses;
    voice.wanted = start;
    if (voice === this.voice && voice.hit?.start_s !== hit.start_s) voice.element.pause();
    voice.hit = hit;
    if (voice !== same) {
      const ending = hit.path.slice(hit.path.lastIndexOf(".") + 1).toLowerCase();
      voice.isDecoded = !PLAYABLE.has(ending);
      voice.isPlain = false;
      this.load(voice, start);
    } else {
      this.move(voice, start);
    }
    return voice;
  }

  /**
   * @param {Voice} voice
   * @param {number} start
   */
  load(voice, start) {
    const { element, hit } = voice;
    if (!hit) return;
    voice.offset = voice.isPlain ? start : 0;
    element.defaultPlaybackRate = this.speed; // which a new source begins with
    const what = voice.isDecoded ? { format: "wav" } : {};
    element.src = audioUrl(hit.recording_id, voice.isPlain ? { ...what, from: start } : what);
    if (!voice.isPlain) element.currentTime = start; // kept until the length is known
  }

  /**
   * @param {Voice} voice
   * @param {number} start
   */
  move(voice, start) {
    const inside = start - voice.offset;
    if (voice.isPlain && (inside < 0 || !isBuffered(voice.element, inside))) this.load(voice, start);
    else if (Math.abs(voice.element.currentTime - inside) > 0.001) voice.element.currentTime = inside;
  }

  /**
   * The length is known: what cannot be gone to is asked for from there on.
   *
   * @param {Voice} voice
   */
  measured(voice) {
    const { element, hit, wanted } = voice;
    if (voice.isPlain || !hit || wanted < 0.1) return;
    const { seekable } = element;
    if (seekable.length && seekable.end(seekable.length - 1) > wanted) return;
    voice.isPlain = true;
    this.load(voice, wanted);
    if (voice === this.voice) void this.start(voice);
  }

  /**
   * What the browser does not play as it is, is asked for decoded.
   *
   * @param {Voice} voice
   */
  failed(voice) {
    const { hit, element } = voice;
    if (!hit) return;
    const isCurrent = voice === this.voice;
    if (!voice.isDecoded) {
      voice.isDecoded = true;
      voice.isPlain = false;
      this.load(voice, voice.wanted);
      if (isCurrent) void this.start(voice);
      return;
    }
    voice.hit = null;
    if (!isCurrent) return;
    this.voice = null;
    const why = element.error?.message ? ` (${element.error.message})` : "";
    void this.explain(element.src, new Error(`This sound cannot be played${why}.`));
    this.changed();
  }

  /**
   * An element does not tell what the server said: ask it once more.
   *
   * @param {string} url
   * @param {Error} otherwise
   */
  async explain(url, otherwise) {
    try {
      await (await request(url, { headers: { Range: "bytes=0-0" } })).body?.cancel();
      this.problem(otherwise);
    } catch (error) {
      this.problem(error instanceof Error ? error : otherwise);
    }
  }

  /** @param {Error} error */
  problem(error) {
    this.dispatchEvent(new CustomEvent("problem", { detail: error }));
  }

  /** @param {Voice} voice */
  wire(voice) {
    this.context ??= new AudioContext();
    if (this.context.state === "suspended") void this.context.resume();
    if (!voice.gain) {
      voice.gain = this.context.createGain();
      this.context.createMediaElementSource(voice.element).connect(voice.gain);
      voice.gain.connect(this.context.destination);
    }
    this.applyGain(0);
    const recording = voice.hit?.recording_id;
    if (recording === undefined || factsOf(recording)) return;
    // How loud it is, is not known yet: it is brought to its level as soon as it is.
    loadFacts(recording, new AbortController().signal).then(
      () => this.applyGain(),
      () => {}, // it sounds as it is
    );
  }

  /** @param {number} [seconds] how softly */
  applyGain(seconds = 0.02) {
    const voice = this.voice;
    if (!voice?.gain || !voice.hit || !this.context) return;
    const facts = factsOf(voice.hit.recording_id);
    const level = this.levels && facts ? gainFor(facts.loudness_lufs, facts.peak_db) : 1;
    const gain = level * this.volume;
    if (seconds) voice.gain.gain.setTargetAtTime(gain, this.context.currentTime, seconds);
    else voice.gain.gain.value = gain;
  }

  toggle() {
    const voice = this.voice;
    if (!voice) return;
    if (this.isPlaying) {
      voice.element.pause();
      return;
    }
    if (voice.element.ended && this.stretch) this.move(voice, this.stretch.start_s);
    void this.start(voice);
  }

  /** @param {number} at_s */
  async seek(at_s) {
    const voice = this.voice;
    if (!voice?.hit) return;
    const wasPlaying = !voice.element.paused || voice.element.ended;
    voice.wanted = Math.max(0, Math.min(at_s, voice.hit.duration_s));
    this.move(voice, voice.wanted);
    if (wasPlaying) await this.start(voice);
    this.onTime(voice.at);
  }

  /** @param {number} speed */
  setSpeed(speed) {
    this.speed = Math.min(4, Math.max(0.25, speed));
    if (this.voice) this.voice.element.playbackRate = this.speed;
    this.changed();
  }

  /** @param {boolean} on */
  setLoop(on) {
    this.loops = on;
    this.changed();
  }

  /** @param {boolean} on */
  setLevel(on) {
    this.levels = on;
    this.applyGain();
    this.changed();
  }

  /** @param {number} volume from 0 to 1 */
  setVolume(volume) {
    this.volume = volume;
    this.applyGain();
  }

  /** @param {Voice} voice */
  keepLooping(voice) {
    const { stretch } = this;
    if (this.loops && stretch && !voice.element.paused && voice.at >= stretch.end_s) void this.seek(stretch.start_s);
  }

  /** Each frame while something plays: where it is, and whether the loop is at its end. */
  watch() {
    if (this.watching) return;
    const look = () => {
      this.watching = 0;
      const voice = this.voice;
      if (!voice) return;
      this.keepLooping(voice);
      this.onTime(voice.at);
      if (this.isPlaying) this.watching = requestAnimationFrame(look);
    };
    this.watching = requestAnimationFrame(look);
  }
}

/**
 * @param {HTMLMediaElement} element
 * @param {number} at
 */
function isBuffered(element, at) {
  const ranges = element.buffered;
  for (let i = 0; i < ranges.length; i += 1) {
    if (at >= ranges.start(i) && at <= ranges.end(i)) return true;
  }
  return false;
}
