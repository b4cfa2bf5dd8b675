"""From the plan of a scene to its samples.

In: a planned scene and the clips. Out: float32 mono samples; level, bandwidth and a little noise
are drawn from the scene's own seed, so that none of them tells what is heard.
"""

from __future__ import annotations

import numpy as np

from audiosearch._typing import Samples
from audiosearch.training.scenes.clip_pool import ClipPool
from audiosearch.training.scenes.planner import Placed, SceneLayout

EVENT_DB = -25.0  # level that every stretch is brought to before its own gain


def render(scene: SceneLayout, pool: ClipPool, *, varied: bool = False) -> Samples:
    """The samples `(length,)` of a scene.

    `varied` changes speed, colour and room of its clips: the encoder knows the clips that it was
    trained on too well, and the decoder would learn from frames that are too good.
    """
    rate = pool.sounds.sample_rate
    rng = np.random.default_rng(scene.seed)
    vary = np.random.default_rng([scene.seed, 0x7A41]) if varied else None
    out = np.zeros(scene.length, np.float32)
    for placed in scene.placed:
        part = _fill_stretch(placed, pool)
        if vary is not None:
            part = _another_version(vary, part, rate)
        end = min(scene.length, placed.at + part.size)
        out[placed.at : end] += part[: end - placed.at]
    if rng.random() < 0.25:
        out = low_pass(out, cut_hz=float(rng.uniform(2500, 7500)), rate=rate)
    if rng.random() < 0.5:
        out += (10 ** (rng.uniform(-80, -58) / 20) * rng.standard_normal(out.size)).astype(
            np.float32
        )
    out *= 10 ** (rng.uniform(-14, 6) / 20)
    peak = float(np.abs(out).max(initial=0.0))
    return np.asarray(out / peak * 0.99 if peak > 0.99 else out, dtype=np.float32)


def _fill_stretch(placed: Placed, pool: ClipPool) -> Samples:
    """The stretch at its level, with soft ends; repeated where it has to last longer."""
    rate = pool.sounds.sample_rate
    wave = pool.sounds.waveform(placed.clip)
    first, last = pool.active[placed.clip]
    stretch = wave[placed.start : min(last, placed.start + placed.count)]
    if stretch.size < placed.count:
        whole = wave[first:last]
        repeats = (placed.count - stretch.size) // max(1, whole.size) + 1
        pieces = [_soft_ends(piece, rate) for piece in (stretch, *[whole] * repeats)]
        stretch = np.concatenate(pieces)[: placed.count]
    level = float(np.sqrt(np.mean(stretch**2))) if stretch.size else 0.0
    if level > 1e-4:
        stretch = stretch * (10 ** ((EVENT_DB + placed.gain_db) / 20) / level)
    return _soft_ends(stretch, rate)


def _another_version(rng: np.random.Generator, wave: Samples, rate: int) -> Samples:
    """The stretch at times faster or slower (its length kept), tilted, or in a room."""
    if wave.size < rate // 20:
        return wave
    if rng.random() < 0.6:
        speed = float(np.exp(rng.uniform(np.log(0.82), np.log(1.22))))
        at = np.arange(wave.size) * speed % (wave.size - 1)
        wave = _soft_ends(np.interp(at, np.arange(wave.size), wave).astype(np.float32), rate)
    if rng.random() < 0.6:
        size = wave.size
        spectrum = np.fft.rfft(wave)
        slope_db = rng.uniform(-6, 6)
        octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / rate), 50.0) / 1000)
        wave = np.fft.irfft(spectrum * 10 ** (slope_db * octaves / 60), size).astype(np.float32)
    if rng.random() < 0.2:
        count = int(rate * rng.uniform(0.05, 0.5))
        echo = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
        echo *= rng.uniform(0.2, 0.8) / np.sqrt((echo**2).sum())
        echo[0] = 1.0
        size = wave.size + count
        wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(echo, size), size)
        wave = wet[: wave.size].astype(np.float32)
    return wave


def _soft_ends(wave: Samples, rate: int) -> Samples:
    fade = min(wave.size // 4, rate // 50)
    if fade == 0:
        return wave
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    soft = wave.copy()
    soft[:fade] *= ramp
    soft[-fade:] *= ramp[::-1]
    return soft


def low_pass(wave: Samples, *, cut_hz: float, rate: int) -> Samples:
    """Everything above a frequency 60 dB down, with a soft edge of 400 Hz."""
    spectrum = np.fft.rfft(wave)
    hz = np.fft.rfftfreq(wave.size, 1 / rate)
    down_db = -60 * np.clip((hz - cut_hz) / 400, 0, 1)
    return np.fft.irfft(spectrum * 10 ** (down_db / 20), wave.size).astype(np.float32)
