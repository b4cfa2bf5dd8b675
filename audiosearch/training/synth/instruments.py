"""Instruments and drums, rendered from a General MIDI sound font with FluidSynth.

Made for FluidR3 GM by Frank Wen (MIT, Debian's `fluid-soundfont-gm`). A group is a program of the
font, since all its clips come from the same samples.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch._typing import Floats
from audiosearch.errors import AudiosearchError
from audiosearch.training.synth.midi import (
    DRUM_CHANNEL,
    Note,
    beats,
    drum_pattern,
    melody,
    midi_file,
)

SOURCE = "FluidR3 GM"
LICENCE = "MIT"
ATTRIBUTION = "Frank Wen, FluidR3 GM sound font"
INSTRUMENT_WEIGHT = 0.45
"""How often a rendered clip is drawn against a recording: a font is less than the world."""
EVERY_S = 6.5
RENDER_RATE = 32_000
COLUMNS = ("path", "label", "source", "group", "fold", "licence", "attribution")


@dataclass(frozen=True)
class Instrument:
    """A kind of instrument: which programs of the font play it, and in what range."""

    label: str
    programs: tuple[int, ...] = ()
    low: int = 48
    high: int = 79
    chords: bool = False
    keys: tuple[int, ...] = ()
    """Keys of the drum channel instead of programs."""


INSTRUMENTS = (
    Instrument("piano", (0, 1, 2, 3), 36, 88, chords=True),
    Instrument("electric_piano", (4, 5), 40, 80, chords=True),
    Instrument("harpsichord", (6,), 43, 84, chords=True),
    Instrument("music_box", (8, 9, 10), 67, 98),
    Instrument("xylophone", (12, 13), 53, 96),
    Instrument("vibraphone", (11,), 53, 86, chords=True),
    Instrument("organ", (16, 17, 18, 19, 20), 38, 84, chords=True),
    Instrument("accordion", (21, 23), 48, 84, chords=True),
    Instrument("harmonica", (22,), 60, 88),
    Instrument("guitar", (24, 25, 26, 27), 40, 76, chords=True),
    Instrument("electric_guitar", (29, 30), 40, 74, chords=True),
    Instrument("bass_guitar", (32, 33, 34, 35, 36), 28, 50),
    Instrument("violin", (40, 110), 55, 94),
    Instrument("cello", (42, 41), 36, 72),
    Instrument("double_bass", (43,), 28, 52),
    Instrument("string_orchestra", (44, 45, 48, 49), 40, 86, chords=True),
    Instrument("harp", (46,), 36, 90, chords=True),
    Instrument("choir", (52, 53, 54), 48, 79, chords=True),
    Instrument("trumpet", (56, 59), 55, 82),
    Instrument("trombone", (57,), 40, 70),
    Instrument("tuba", (58,), 28, 52),
    Instrument("french_horn", (60,), 41, 74),
    Instrument("brass_section", (61, 62), 46, 76, chords=True),
    Instrument("saxophone", (64, 65, 66, 67), 46, 80),
    Instrument("oboe", (68, 69), 58, 88),
    Instrument("bassoon", (70,), 34, 66),
    Instrument("clarinet", (71,), 50, 88),
    Instrument("flute", (72, 73, 75), 62, 98),
    Instrument("recorder", (74, 79), 65, 94),
    Instrument("synthesizer", (80, 81, 88, 90, 95), 40, 84, chords=True),
    Instrument("sitar", (104,), 48, 76),
    Instrument("banjo", (105,), 50, 80, chords=True),
    Instrument("bagpipe", (109,), 58, 80),
    Instrument("steel_drum", (114,), 55, 84),
    Instrument("timpani", (47,), 36, 55),
    Instrument("bass_drum", keys=(35, 36)),
    Instrument("snare_drum", keys=(38, 40, 37)),
    Instrument("tom_drum", keys=(41, 43, 45, 47, 48, 50)),
    Instrument("cymbal", keys=(49, 51, 52, 55, 57, 59)),
    Instrument("hi_hat", keys=(42, 44, 46)),
    Instrument("tambourine", keys=(54,)),
    Instrument("cowbell", keys=(56,)),
    Instrument("bongo_drum", keys=(60, 61, 62, 63, 64)),
    Instrument("maracas", keys=(69, 70, 82)),
    Instrument("wood_block", keys=(76, 77, 75)),
    Instrument("triangle", keys=(80, 81)),
    Instrument("drum_kit"),
    Instrument("band_music"),
)


@dataclass(frozen=True)
class Phrase:
    """What one clip will hold."""

    parts: dict[int, tuple[int, list[Note]]]
    """By MIDI channel: the program and its notes."""
    group: str


def render_instruments(folder: Path, *, font: Path, seed: int, clips: int = 24) -> Path:
    """Render `clips` clips of every kind; give the manifest, which is written last.

    Raises:
        AudiosearchError: FluidSynth is not there or fails.
    """
    manifest = folder / "manifest.csv"
    if manifest.exists():
        return manifest
    program = shutil.which("fluidsynth")
    if program is None:
        raise AudiosearchError(
            "fluidsynth is not installed",
            remedy="install it (Debian: apt-get install fluidsynth fluid-soundfont-gm), "
            "or train without --sound-font",
        )
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, instrument in enumerate(INSTRUMENTS):
        rng = np.random.default_rng([seed, 0x51D1, number])
        phrases = [_phrase(rng, instrument, index) for index in range(clips)]
        # One half dry, one half in FluidSynth's room: an echo is no instrument.
        for half, echo in ((0, False), (1, True)):
            chosen = phrases[half::2]
            sound = _render(program, font, [p.parts for p in chosen], folder, echo=echo)
            for index, phrase in enumerate(chosen):
                name = f"{instrument.label}-{2 * index + half:02d}.wav"
                clip = _cut(rng, sound, index)
                if clip.size == 0:
                    continue  # some programs have no sample at the ends of their range
                _write_clip(folder / name, clip)
                row = (name, instrument.label, SOURCE, phrase.group, "", LICENCE, ATTRIBUTION)
                rows.append(row)
    with manifest.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return manifest


def _phrase(rng: np.random.Generator, instrument: Instrument, index: int) -> Phrase:
    seconds = float(rng.uniform(2.0, 4.8))
    if instrument.keys:
        notes = beats(rng, keys=instrument.keys, seconds=seconds)
        return Phrase({DRUM_CHANNEL: (0, notes)}, f"fluidr3-{instrument.label}")
    if instrument.label == "drum_kit":
        kit = (0, 8, 16, 25, 40)[index % 5]
        return Phrase({DRUM_CHANNEL: (kit, drum_pattern(rng, seconds=4.8))}, f"fluidr3-kit-{kit}")
    if instrument.label == "band_music":
        return Phrase(_band(rng), f"fluidr3-band-{index}")
    program = instrument.programs[index % len(instrument.programs)]
    notes = melody(
        rng,
        low=instrument.low,
        high=instrument.high,
        seconds=seconds,
        chords=instrument.chords,
    )
    return Phrase({0: (program, notes)}, f"fluidr3-program-{program}")


def _band(rng: np.random.Generator) -> dict[int, tuple[int, list[Note]]]:
    """Drums, a bass, something that plays chords, something that plays a tune."""
    lead = int(rng.choice([0, 25, 40, 56, 65, 73, 80, 29]))
    harmony = int(rng.choice([0, 4, 16, 24, 27, 48]))
    return {
        DRUM_CHANNEL: (0, drum_pattern(rng, seconds=4.8)),
        0: (int(rng.choice([32, 33, 34])), melody(rng, low=30, high=45, seconds=4.8, chords=False)),
        1: (harmony, melody(rng, low=48, high=67, seconds=4.8, chords=True)),
        2: (lead, melody(rng, low=60, high=84, seconds=4.8, chords=False)),
    }


def _render(
    program: str,
    font: Path,
    phrases: list[dict[int, tuple[int, list[Note]]]],
    folder: Path,
    *,
    echo: bool,
) -> Floats:
    """Mono samples `(N,)` at `RENDER_RATE` of phrases `EVERY_S` apart."""
    score, target = folder / "phrases.mid", folder / "phrases.wav"
    score.write_bytes(midi_file(phrases, every_s=EVERY_S))
    options = ["-ni", "-q", "-g", "0.4", "-r", str(RENDER_RATE), "-T", "wav", "-O", "s16"]
    options += ["-R", str(int(echo)), "-C", "0", "-o", "synth.dynamic-sample-loading=1"]
    command = [program, *options, "-F", str(target), str(font), str(score)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0 or not target.exists():
        raise AudiosearchError(f"fluidsynth failed: {done.stderr.strip()[-300:]}", path=font)
    with wave.open(str(target), "rb") as stored:
        channels = stored.getnchannels()
        raw = np.frombuffer(stored.readframes(stored.getnframes()), np.int16)
    score.unlink()
    target.unlink()
    return np.asarray(raw.reshape(-1, channels).mean(axis=1) / 32768, dtype=np.float32)


def _cut(rng: np.random.Generator, sound: Floats, index: int) -> Floats:
    """Clip `index`, without the silence around it, at a random level; empty if it is silent."""
    begin = int(index * EVERY_S * RENDER_RATE)
    clip = sound[begin : begin + int((EVERY_S - 0.05) * RENDER_RATE)]
    peak = float(np.abs(clip).max(initial=0.0))
    if peak < 1e-4:
        return np.zeros(0, np.float32)
    loud = np.flatnonzero(np.abs(clip) > peak * 10 ** (-50 / 20))
    clip = clip[int(loud[0]) : int(loud[-1]) + 1]
    return np.asarray(clip * (10 ** (rng.uniform(-14, -1) / 20) / peak), dtype=np.float32)


def _write_clip(path: Path, samples: Floats) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RENDER_RATE)
        out.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
