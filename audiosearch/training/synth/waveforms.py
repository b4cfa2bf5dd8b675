"""What made sounds are made of: noises, slow random curves, levels.

In: a random generator, a number of samples and samples per second. Out: float64 arrays `(count,)`.
It knows no labels: what a sound stands for is said by `synthetic` and `made_sounds`.
"""

from __future__ import annotations

import numpy as np

from audiosearch._typing import Doubles, Samples

Rng = np.random.Generator


def seconds(count: int, rate: int) -> Doubles:
    """The time `(count,)` of each sample."""
    return np.arange(count, dtype=np.float64) / rate


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A number between the two, every octave being as likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def coloured_noise(rng: Rng, *, count: int, slope_db: float) -> Doubles:
    """Noise `(count,)` of unit RMS whose power falls `slope_db` an octave (0 white, 3 pink)."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    bins = np.maximum(np.arange(spectrum.size), 1)
    shaped = np.fft.irfft(spectrum * bins ** (-slope_db / 6.02), count)
    return np.asarray(shaped / (np.sqrt(np.mean(shaped**2)) + 1e-12))


def band_noise(rng: Rng, *, count: int, rate: int, low_hz: float, high_hz: float) -> Doubles:
    """Noise `(count,)` of unit RMS between two frequencies, with soft edges."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / rate)
    shape = 1 / (1 + (low_hz / np.maximum(hz, 1.0)) ** 6) / (1 + (hz / high_hz) ** 6)
    shaped = np.fft.irfft(spectrum * np.sqrt(shape), count)
    return np.asarray(shaped / (np.sqrt(np.mean(shaped**2)) + 1e-12))


def slow_wave(rng: Rng, *, count: int, rate: int, hz: float) -> Doubles:
    """A smooth random curve `(count,)` in about [0, 1] that turns `hz` times a second."""
    points = max(4, int(count / rate * hz) + 3)
    knots = rng.uniform(0, 1, points)
    return np.interp(np.linspace(0, points - 1, count), np.arange(points), knots)


def to_peak(wave: Doubles, peak: float) -> Samples:
    """The sound scaled to this peak."""
    return np.asarray(wave * (peak / (np.max(np.abs(wave)) + 1e-9)), dtype=np.float32)


def add(target: Doubles, sound: Doubles, at: int) -> None:
    """Add a sound to the target from a sample on; what would stand behind its end is cut."""
    end = min(target.size, at + sound.size)
    if at < end:
        target[at:end] += sound[: end - at]
