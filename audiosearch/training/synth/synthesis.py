"""Sounds made with numpy: what the generated examples are built of.

Synthesis by the physics that makes each recognisable (partials that are no harmonics, noise in
bands, pulses that ring out).
"""

from __future__ import annotations

import numpy as np

from audiosearch._typing import Doubles

RATE = 32_000

Generator = np.random.Generator


# --- building blocks


def _seconds(duration_s: float) -> Doubles:
    return np.arange(round(duration_s * RATE)) / RATE


def _band(sound: Doubles, low_hz: float, high_hz: float) -> Doubles:
    """`sound` between two frequencies, with soft edges."""
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    rise = 1 / (1 + (low_hz / np.maximum(hz, 1e-3)) ** 8)
    fall = 1 / (1 + (hz / high_hz) ** 8)
    return np.asarray(np.fft.irfft(spectrum * rise * fall, len(sound)))


def _noise(rng: Generator, duration_s: float, low_hz: float, high_hz: float) -> Doubles:
    """Noise in a band, of effective value 1."""
    sound = _band(rng.standard_normal(round(duration_s * RATE)), low_hz, high_hz)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)))


def _decay(duration_s: float, half_life_s: float) -> Doubles:
    envelope: Doubles = 0.5 ** (_seconds(duration_s) / half_life_s)
    return envelope


def _gliding(hz: Doubles) -> Doubles:
    """A sine that follows a frequency given for each sample."""
    sound: Doubles = np.sin(2 * np.pi * np.cumsum(hz) / RATE)
    return sound


def _slow(rng: Generator, duration_s: float, points_per_s: float) -> Doubles:
    """A smooth random curve in 0..1."""
    n_points = max(4, round(duration_s * points_per_s) + 1)
    points = rng.uniform(0, 1, n_points)
    place = np.linspace(0, n_points - 1, round(duration_s * RATE))
    step = np.minimum(place.astype(int), n_points - 2)
    share = (1 - np.cos(np.pi * (place - step))) / 2
    curve: Doubles = points[step] * (1 - share) + points[step + 1] * share
    return curve


def add(sound: Doubles, part: Doubles, start_s: float, level: float = 1.0) -> None:
    """Add `part` into `sound` from `start_s` on; what reaches beyond its end is dropped."""
    start = round(start_s * RATE)
    room = sound[start : start + len(part)]
    room += level * part[: len(room)]


# --- single sounds


def rain(rng: Generator, duration_s: float = 10.0) -> Doubles:
    """A hiss of far drops, and a few hundred near ones."""
    sound = 0.2 * _noise(rng, duration_s, 800, 12_000)
    for _ in range(round(60 * duration_s)):
        drop = _noise(rng, 0.012, 2_000, 10_000) * _decay(0.012, 0.002)
        add(sound, drop, rng.uniform(0, duration_s), level=rng.uniform(0.1, 0.8))
    return sound


def wind(rng: Generator, duration_s: float = 10.0) -> Doubles:
    """Gusts: low noise that swells, with a whistle that rises as it does."""
    gust = _slow(rng, duration_s, 0.7)
    body = _noise(rng, duration_s, 80, 500) * (0.1 + gust**2)
    air = _noise(rng, duration_s, 400, 2_000) * 0.5 * gust**4
    return body + air


def siren(rng: Generator, duration_s: float = 9.0) -> Doubles:
    """Two tones by turns, as on a European ambulance."""
    low = (_seconds(duration_s) % 1.2) < 0.6
    base = np.where(low, 435.0, 580.0)
    harmonics = sum(_gliding(base * number) / number for number in (1, 2, 3, 4, 5))
    return np.asarray(harmonics) * (1 + 0.02 * _noise(rng, duration_s, 1, 20))


def clock(rng: Generator, duration_s: float = 10.0) -> Doubles:
    """Tick, tock, twice a second."""
    sound = 0.0005 * rng.standard_normal(round(duration_s * RATE))
    for number, start_s in enumerate(np.arange(0.2, duration_s, 0.5)):
        hz = (2_600, 1_900)[number % 2]
        ring = np.sin(2 * np.pi * hz * _seconds(0.05)) * _decay(0.05, 0.006)
        click = _noise(rng, 0.05, 1_500, 9_000) * _decay(0.05, 0.0015)
        add(sound, ring + 0.7 * click, float(start_s))
    return sound


def bell(rng: Generator, duration_s: float = 6.0) -> Doubles:
    """A church bell: partials that are no harmonics, the high ones dying first."""
    time_s = _seconds(duration_s)
    sound = np.zeros(len(time_s))
    partials = (0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.17, 5.43)
    for ratio in partials:
        beat_hz = rng.uniform(0.2, 1.2)
        tone = np.sin(2 * np.pi * 420 * ratio * time_s) * (
            1 + 0.2 * np.cos(2 * np.pi * beat_hz * time_s)
        )
        sound += tone * _decay(duration_s, 1.1 / ratio**0.8) / ratio**0.4
    strike = _noise(rng, 0.03, 1_000, 8_000) * _decay(0.03, 0.004)
    add(sound, strike, 0.0)
    return sound


def knocks(rng: Generator, count: int = 13) -> Doubles:
    """Knuckles on a wooden door."""
    sound = np.zeros(round((0.3 + 0.35 * count + 0.3) * RATE))
    for number in range(count):
        time_s = _seconds(0.2)
        wood = sum(
            np.sin(2 * np.pi * hz * rng.uniform(0.97, 1.03) * time_s) * _decay(0.2, half)
            for hz, half in ((145, 0.025), (310, 0.014), (540, 0.008))
        )
        tap = _noise(rng, 0.2, 300, 3_000) * _decay(0.2, 0.004)
        start_s = 0.15 + 0.35 * number + rng.uniform(-0.02, 0.02)
        add(sound, np.asarray(wood) + 0.6 * tap, start_s, level=rng.uniform(0.8, 1))
    return sound


def engine(rng: Generator, duration_s: float = 9.0) -> Doubles:
    """A motor that idles: firing pulses with many harmonics, a little uneven."""
    hz = 42 + 6 * _slow(rng, duration_s, 1.5)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    sound = np.zeros(len(phase))
    for number in range(1, 25):
        sound += np.sin(number * phase + rng.uniform(0, 2 * np.pi)) / number**0.8
    puffs = _noise(rng, duration_s, 60, 900) * (0.5 + 0.5 * np.sin(phase)) ** 3
    return sound + 0.8 * puffs


def beeps(rng: Generator, duration_s: float = 8.0) -> Doubles:
    """The short beeps of a machine that wants something."""
    sound = 0.0003 * rng.standard_normal(round(duration_s * RATE))
    edge = np.minimum(1, np.minimum(_seconds(0.15), _seconds(0.15)[::-1]) / 0.005)
    for start_s in np.arange(0.2, duration_s - 0.2, 0.6):
        add(sound, edge * np.sin(2 * np.pi * 1_000 * _seconds(0.15)), float(start_s))
    return sound


def hiss(rng: Generator, duration_s: float = 7.0) -> Doubles:
    """White noise, as of a radio without a station."""
    return rng.standard_normal(round(duration_s * RATE))


def heartbeat(rng: Generator, duration_s: float = 9.0) -> Doubles:
    """Lub-dub, seventy a minute."""
    sound = 0.002 * _noise(rng, duration_s, 20, 200)
    for start_s in np.arange(0.2, duration_s, 60 / 70):
        for offset_s, hz, level in ((0.0, 48, 1.0), (0.3, 62, 0.7)):
            thump = np.sin(2 * np.pi * hz * _seconds(0.16)) * np.hanning(round(0.16 * RATE))
            add(sound, thump, float(start_s) + offset_s, level=level)
    return sound


def birds(rng: Generator, duration_s: float = 9.0) -> Doubles:
    """Two small birds: phrases of quick glides, now near, now far."""
    sound = 0.003 * _noise(rng, duration_s, 200, 4_000)
    start_s = 0.2
    while start_s < duration_s - 1:
        base_hz, level = rng.uniform(3_000, 5_000), rng.uniform(0.4, 1)
        for _ in range(int(rng.integers(3, 8))):
            length_s = rng.uniform(0.05, 0.12)
            glide = np.linspace(base_hz * rng.uniform(0.9, 1.4), base_hz, round(length_s * RATE))
            add(sound, _gliding(glide) * np.hanning(len(glide)), start_s, level=level)
            start_s += length_s + rng.uniform(0.02, 0.06)
        start_s += rng.uniform(0.3, 0.9)
    return sound


def phone(rng: Generator, duration_s: float = 9.0) -> Doubles:
    """An old telephone: two bells struck by turns, one second on, two off."""
    sound = 0.0005 * rng.standard_normal(round(duration_s * RATE))
    for ring_s in np.arange(0.3, duration_s - 1, 3.0):
        for number in range(25):
            hz = (1_180, 1_420)[number % 2]
            partials = sum(
                np.sin(2 * np.pi * hz * ratio * _seconds(0.25)) / ratio for ratio in (1, 2.76, 5.4)
            )
            add(sound, np.asarray(partials) * _decay(0.25, 0.05), float(ring_s) + 0.04 * number)
    return sound
