"""A recording of many hours, made up: the noise of a room, with tones, sweeps and bursts in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from audiosearch._typing import Floats

RATE = 48_000
MINUTE_S = 60.0
EVENTS = 6  # a minute
EVENT_S = (0.5, 4.0)  # the shortest and the longest
LEVELS = (0.02, 0.3)
FLOOR = 0.0001  # of the room: -80 dB


def write_sound(path: Path, *, hours: float, seed: int) -> None:
    """Write a FLAC file of one channel, 48 kHz and 16 bits; the same for the same seed.

    A minute at a time: an hour takes 2 s and 110 MB of disk, and no more memory than a minute.
    """
    dice = np.random.default_rng(seed)
    part = path.with_suffix(".part")
    with soundfile.SoundFile(
        part, "w", RATE, 1, subtype="PCM_16", format="FLAC", compression_level=0
    ) as file:
        left = round(hours * 3600 * RATE)
        while left > 0:
            minute = _minute(dice)[:left]
            file.write(minute)
            left -= len(minute)
    part.replace(path)  # what has its name is whole


def _minute(dice: np.random.Generator) -> Floats:
    """Samples (n,) of a minute."""
    sound = dice.standard_normal(round(MINUTE_S * RATE), np.float32) * np.float32(FLOOR)
    for _ in range(EVENTS):
        event = _event(dice)
        start = int(dice.integers(len(sound) - len(event)))
        sound[start : start + len(event)] += event
    return sound


def _event(dice: np.random.Generator) -> Floats:
    """Samples (n,) of a tone with overtones, of a sweep or of a burst of noise; it fades."""
    n = round(float(dice.uniform(*EVENT_S)) * RATE)
    time_s = np.arange(n, dtype=np.float32) / RATE
    low, high = np.sort(np.exp(dice.uniform(np.log(80.0), np.log(8000.0), 2)))
    kind = int(dice.integers(3))
    if kind == 0:
        sound = sum(np.sin(2 * np.pi * low * k * time_s) / k for k in (1, 2, 3))
    elif kind == 1:
        sound = np.sin(2 * np.pi * (low + (high - low) * time_s * RATE / (2 * n)) * time_s)
    else:
        sound = dice.standard_normal(n, np.float32) / 2
    level = np.float32(np.exp(dice.uniform(*np.log(LEVELS))))
    fading = np.exp(-3 * np.arange(n, dtype=np.float32) / n)
    found: Floats = (level / 2 * sound * fading).astype(np.float32)
    return found
