"""Short musical phrases as Standard MIDI files (format 0), for FluidSynth to render.

See https://midi.org/standard-midi-files-specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator

TICKS_PER_S = 960  # 480 ticks a quarter at the default tempo of 120 quarters a minute
DRUM_CHANNEL = 9
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), tuple(range(12)))
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 5, 7), (0, 3, 7, 10), (0, 7, 12))


@dataclass(frozen=True)
class Note:
    """One note of a phrase."""

    start_s: float
    length_s: float
    pitch: int
    velocity: int


def melody(rng: Rng, *, low: int, high: int, seconds: float, chords: bool) -> list[Note]:
    """A single note, a repeated one, a scale, a broken chord, a walk, or chords."""
    kinds = ["single", "repeated", "scale", "broken", "walk", "walk"] + ["chords"] * 2 * chords
    kind = kinds[int(rng.integers(len(kinds)))]
    base = int(rng.integers(low, high + 1))
    if kind == "single":
        length = float(rng.uniform(0.5, seconds))
        return [Note(float(rng.uniform(0, 0.3)), length, base, _velocity(rng))]
    pace = float(np.exp(rng.uniform(np.log(0.11), np.log(0.8))))
    if kind == "chords":
        pace = max(pace, 0.3)
    held = float(rng.uniform(0.4, 1.3))
    notes, at, index, pitch = [], float(rng.uniform(0, 0.3)), 0, base
    scale = SCALES[int(rng.integers(len(SCALES)))]
    chord = CHORDS[int(rng.integers(len(CHORDS)))]
    down = -1 if rng.random() < 0.4 else 1
    while at < seconds - 0.05:
        if kind == "scale":
            pitch = base + down * (12 * (index // len(scale) % 2) + scale[index % len(scale)])
        elif kind == "broken":
            pitch = base + chord[index % len(chord)] + 12 * (index // len(chord) % 2)
        elif kind == "walk":
            pitch = int(np.clip(pitch + rng.choice([-4, -3, -2, -1, 1, 2, 3, 4, 7]), low, high))
        sounding = chord if kind == "chords" else (0,)
        shift = int(rng.choice([-5, -3, 0, 0, 2, 4])) if kind == "chords" else 0
        for step in sounding:
            tone = int(np.clip(pitch + shift + step, low - 5, high + 12))
            notes.append(Note(at, pace * held, tone, _velocity(rng)))
        index += 1
        at += pace * float(rng.choice([1, 1, 1, 2, 0.5]) if kind == "walk" else 1)
    return notes


def beats(rng: Rng, *, keys: tuple[int, ...], seconds: float) -> list[Note]:
    """Strokes on one drum or a few like it: single, even, a roll or at random."""
    kind = int(rng.integers(4))
    pace = float(np.exp(rng.uniform(np.log(0.12), np.log(0.9))))
    if kind == 0:
        return [Note(float(rng.uniform(0, 0.4)), 0.5, int(rng.choice(keys)), _velocity(rng))]
    if kind == 1:
        pace = float(rng.uniform(0.05, 0.1))
    notes, at, key = [], float(rng.uniform(0, 0.3)), int(rng.choice(keys))
    while at < seconds - 0.05:
        if kind == 3:
            key = int(rng.choice(keys))
        notes.append(Note(at, 0.3, key, _velocity(rng)))
        at += pace * (float(rng.choice([0.5, 1, 1, 2])) if kind == 3 else 1.0)
    return notes


def drum_pattern(rng: Rng, *, seconds: float) -> list[Note]:
    """A beat of bass drum, snare, hi-hat and at times a cymbal or a fill."""
    step = float(rng.uniform(0.11, 0.22))
    hat = int(rng.choice([42, 42, 46, 51]))
    notes = []
    for index in range(int(seconds / step)):
        at, place = index * step, index % 16
        if rng.random() < (0.95 if place % 2 == 0 else 0.25):
            notes.append(Note(at, 0.2, hat, int(rng.integers(50, 90))))
        if place % 8 == 0 or rng.random() < 0.12:
            notes.append(Note(at, 0.2, 36, int(rng.integers(85, 120))))
        if place % 8 == 4 or rng.random() < 0.05:
            notes.append(Note(at, 0.2, 38, int(rng.integers(80, 120))))
        if place == 0 and rng.random() < 0.3:
            notes.append(Note(at, 1.0, 49, int(rng.integers(70, 110))))
        if place >= 12 and rng.random() < 0.25:
            notes.append(Note(at, 0.3, int(rng.choice([41, 45, 48])), int(rng.integers(80, 115))))
    return notes


def _velocity(rng: Rng) -> int:
    return int(rng.integers(55, 120))


def midi_file(phrases: list[dict[int, tuple[int, list[Note]]]], *, every_s: float) -> bytes:
    """The bytes of a file: phrase i starts at `i * every_s`.

    Args:
        phrases: For each phrase, by channel: the program and the notes.
        every_s: Must leave room for the longest phrase and its echo.
    """
    events: list[tuple[int, int, bytes]] = []
    for index, phrase in enumerate(phrases):
        begin = index * every_s
        for channel, (program, notes) in phrase.items():
            at = max(0, _ticks(begin) - 10)
            events.append((at, 0, bytes([0xC0 | channel, program])))
            for note in notes:
                pitch = min(127, max(0, note.pitch))
                end_s = min(note.start_s + note.length_s, every_s - 0.9)
                on = bytes([0x90 | channel, pitch, note.velocity])
                off = bytes([0x80 | channel, pitch, 0])
                events.append((_ticks(begin + note.start_s), 2, on))
                events.append((_ticks(begin + max(end_s, note.start_s + 0.02)), 1, off))
    end = _ticks(len(phrases) * every_s)
    events.append((end, 3, b"\xff\x2f\x00"))
    track, now = bytearray(), 0
    for at, _, data in sorted(events, key=lambda event: event[:2]):
        track += _variable_length(at - now) + data
        now = at
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480)
    return header + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _ticks(at_s: float) -> int:
    return round(at_s * TICKS_PER_S)


def _variable_length(value: int) -> bytes:
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))
