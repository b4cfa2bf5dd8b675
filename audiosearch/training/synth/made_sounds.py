"""Sounds made by arithmetic: tones, sirens, bells, knocks, ticks, noises, silence.

They teach what recordings alone teach badly, a bare tone or a bare noise. Every maker draws its own
parameters and, where there is one, its method, so that no single formula is the class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import soxr

from audiosearch._typing import Doubles, Samples
from audiosearch.training.synth import synthesis

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


def _tone(rng: Rng, hz: float, count: int, rate: int) -> Doubles:
    phase = 2 * np.pi * hz * seconds(count, rate)
    kind = rng.integers(4)
    if kind == 0:
        wave = np.sin(phase)
    elif kind == 1:
        wave = np.sign(np.sin(phase)) * 0.6
    elif kind == 2:
        wave = 2 / np.pi * np.arcsin(np.sin(phase))
    else:
        wave = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    fade = min(count // 4, max(1, int(rate * 0.005)))
    ramp = np.ones(count)
    ramp[:fade] = np.linspace(0, 1, fade)
    ramp[-fade:] = np.linspace(1, 0, fade)
    return np.asarray(wave * ramp)


def beeps(rng: Rng, count: int, rate: int) -> Samples:
    """Short tones with gaps: one pitch or two, evenly spaced or in groups."""
    wave = np.zeros(count)
    pitches = [log_uniform(rng, 350, 4000)]
    if rng.random() < 0.3:
        pitches.append(pitches[0] * rng.uniform(0.6, 1.6))
    length = int(rate * log_uniform(rng, 0.05, 0.5))
    period = length + int(rate * log_uniform(rng, 0.05, 0.9))
    group, pause = int(rng.integers(1, 6)), int(rate * rng.uniform(0, 0.8))
    at, index = int(rng.uniform(0, 0.5) * rate), 0
    while at < count:
        add(wave, _tone(rng, pitches[index % len(pitches)], length, rate), at)
        index += 1
        at += period + (pause if index % group == 0 else 0)
    return to_peak(wave, 0.7)


def steady_tone(rng: Rng, count: int, rate: int) -> Samples:
    """One held tone."""
    return to_peak(_tone(rng, log_uniform(rng, 80, 6000), count, rate), 0.6)


def mains_hum(rng: Rng, count: int, rate: int) -> Samples:
    """A 50 or 60 Hz hum with its harmonics and a little hiss."""
    base = float(rng.choice([50.0, 60.0, 100.0, 120.0]))
    times = seconds(count, rate)
    wave = np.zeros(count)
    for harmonic in range(1, int(rng.integers(5, 24))):
        level = rng.uniform(0.2, 1) / harmonic ** rng.uniform(0.5, 1.5)
        wave += level * np.sin(2 * np.pi * base * harmonic * times + rng.uniform(0, 6.28))
    return to_peak(wave + rng.uniform(0, 0.05) * rng.standard_normal(count), 0.5)


def siren(rng: Rng, count: int, rate: int) -> Samples:
    """A swept or two-tone siren."""
    times = seconds(count, rate)
    low = log_uniform(rng, 350, 900)
    high = low * rng.uniform(1.25, 2.6)
    turn = (times * log_uniform(rng, 0.15, 4.0) + rng.uniform()) % 1
    kind = rng.integers(4)
    if kind == 0:
        shape = 0.5 - 0.5 * np.cos(2 * np.pi * turn)
    elif kind == 1:
        shape = turn
    elif kind == 2:
        shape = 1 - np.abs(2 * turn - 1)
    else:
        shape = (turn < 0.5).astype(np.float64)
    phase = 2 * np.pi * np.cumsum(low * (high / low) ** shape) / rate
    falls = rng.uniform(1.0, 3.0)
    wave = np.zeros(count)
    for harmonic in range(1, int(rng.integers(2, 7))):
        wave += np.sin(harmonic * phase) / harmonic**falls
    level = 0.4 + 0.6 * slow_wave(rng, count=count, rate=rate, hz=0.3)
    return to_peak(wave * level, 0.8)


def steady_noise(rng: Rng, count: int, rate: int) -> Samples:
    """White, pink, brown or band-limited noise without any change."""
    if rng.random() < 0.6:
        slope = float(rng.choice([0.0, 0.0, 3.0, 4.5, 6.0]))
        return to_peak(coloured_noise(rng, count=count, slope_db=slope), 0.6)
    low = log_uniform(rng, 60, 2000)
    high = min(low * rng.uniform(2, 12), rate * 0.49)
    return to_peak(band_noise(rng, count=count, rate=rate, low_hz=low, high_hz=high), 0.6)


def rain(rng: Rng, count: int, rate: int) -> Samples:
    """Bright noise that flickers, with the clicks of single drops above it."""
    high = rng.uniform(4000, rate * 0.49)
    low = log_uniform(rng, 200, 1800)
    bed = band_noise(rng, count=count, rate=rate, low_hz=low, high_hz=high)
    flicker = np.clip(1 + rng.uniform(0.05, 0.5) * rng.standard_normal(count // 64 + 2), 0.1, 3)
    bed *= np.interp(np.arange(count) / 64, np.arange(flicker.size), flicker)
    wave = bed * rng.uniform(0.3, 1)
    for _ in range(int(count / rate * log_uniform(rng, 15, 250))):
        length = int(rate * rng.uniform(0.002, 0.02))
        decay = np.exp(-seconds(length, rate) * rng.uniform(200, 1500))
        drop = rng.standard_normal(length) * decay * rng.exponential(1.2)
        if rng.random() < 0.4:
            pitch = log_uniform(rng, 800, 6000)
            drop = np.sin(2 * np.pi * pitch * seconds(length, rate)) * decay * rng.exponential(1.2)
        add(wave, drop, int(rng.integers(count)))
    level = 0.7 + 0.3 * slow_wave(rng, count=count, rate=rate, hz=0.4)
    return to_peak(wave * level, 0.7)


def wind(rng: Rng, count: int, rate: int) -> Samples:
    """Low noise that swells, with a wandering whistle at times."""
    swell = slow_wave(rng, count=count, rate=rate, hz=log_uniform(rng, 0.2, 1.2))
    bed = coloured_noise(rng, count=count, slope_db=rng.uniform(3, 7)) * (0.15 + swell)
    body = band_noise(
        rng,
        count=count,
        rate=rate,
        low_hz=log_uniform(rng, 40, 300),
        high_hz=log_uniform(rng, 400, 1500),
    )
    wave = bed + rng.uniform(0, 1) * body * swell**2
    if rng.random() < 0.4:
        path = 300 + 500 * slow_wave(rng, count=count, rate=rate, hz=0.5)
        carrier = np.cos(2 * np.pi * np.cumsum(path) / rate)
        rough = band_noise(rng, count=count, rate=rate, low_hz=5, high_hz=40)
        wave += 0.4 * carrier * rough * swell
    return to_peak(wave, 0.7)


def sea_waves(rng: Rng, count: int, rate: int) -> Samples:
    """Noise that comes and goes every few seconds, brighter at its height."""
    turn = seconds(count, rate) / rng.uniform(3, 9) + rng.uniform()
    swell = (0.5 - 0.5 * np.cos(2 * np.pi * turn)) ** rng.uniform(1, 3)
    low = coloured_noise(rng, count=count, slope_db=rng.uniform(3, 6)) * (0.15 + swell)
    bright = coloured_noise(rng, count=count, slope_db=rng.uniform(0, 2)) * swell**2
    return to_peak(low + rng.uniform(0.2, 1.0) * bright, 0.7)


def ticking(rng: Rng, count: int, rate: int) -> Samples:
    """Clock ticks: dry clicks at an even pace, every other one a little different."""
    wave = np.zeros(count)
    period = rate / float(rng.choice([1.0, 2.0, 4.0, 5.0, rng.uniform(0.8, 6.0)]))
    length = int(rate * rng.uniform(0.004, 0.05))
    times = seconds(length, rate)
    ticks = []
    for shift in (1.0, rng.uniform(0.75, 1.3)):
        decay = np.exp(-times * rng.uniform(120, 900))
        pitch = log_uniform(rng, 900, 6500) * shift
        tone = np.sin(2 * np.pi * min(pitch, rate * 0.45) * times)
        ticks.append(
            decay * (rng.uniform(0.2, 1) * tone + rng.uniform(0, 0.8) * _burst(rng, length))
        )
    for index in range(int(count / period) + 1):
        add(wave, ticks[index % 2], int(index * period + rng.uniform(0, 0.01) * rate))
    return to_peak(wave + 0.002 * rng.standard_normal(count), 0.8)


def _burst(rng: Rng, length: int) -> Doubles:
    return np.asarray(rng.standard_normal(length))


def clicks(rng: Rng, count: int, rate: int) -> Samples:
    """Mouse clicks: pairs of very short bursts at uneven times."""
    wave = np.zeros(count)
    at = int(rng.uniform(0, 0.4) * rate)
    while at < count:
        for offset in (0.0, rng.uniform(0.05, 0.16)):
            length = int(rate * rng.uniform(0.002, 0.012))
            decay = np.exp(-seconds(length, rate) * rng.uniform(400, 1500))
            add(wave, _burst(rng, length) * decay * rng.uniform(0.4, 1), at + int(offset * rate))
        at += int(rate * log_uniform(rng, 0.2, 1.5))
    return to_peak(wave + 0.002 * rng.standard_normal(count), 0.7)


def bell(rng: Rng, count: int, rate: int) -> Samples:
    """Struck bells: inharmonic partials that die away, struck again and again."""
    wave = np.zeros(count)
    base = log_uniform(rng, 150, 1400)
    ratios = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.66, 3.0, 4.0, 5.33])
    chosen = ratios[rng.random(ratios.size) < 0.7] * rng.uniform(0.99, 1.01)
    chosen = np.append(chosen, 1.0)
    decay = log_uniform(rng, 0.4, 3.0)
    length = min(count, int(rate * decay * 4))
    times = seconds(length, rate)
    at, period = int(rng.uniform(0, 0.8) * rate), log_uniform(rng, 0.5, 3.0)
    while at < count:
        strike = np.zeros(length)
        for ratio in chosen[chosen * base < rate * 0.45]:
            fading = np.exp(-times / (decay / max(ratio, 0.5) ** 0.6))
            strike += rng.uniform(0.2, 1) * fading * np.sin(2 * np.pi * base * ratio * times)
        add(wave, strike, at)
        at += int(rate * period * rng.uniform(0.95, 1.05))
    return to_peak(wave, 0.8)


def knocks(rng: Rng, count: int, rate: int) -> Samples:
    """Knocks on wood: two to six dull thumps, a pause, and again."""
    wave = np.zeros(count)
    at = int(rng.uniform(0, 0.6) * rate)
    base, gap = log_uniform(rng, 70, 400), rng.uniform(0.13, 0.4)
    damping = rng.uniform(15, 70)
    while at < count:
        for _ in range(int(rng.integers(2, 7))):
            length = int(rate * 0.2)
            times = seconds(length, rate)
            thump = np.sin(2 * np.pi * base * times) + 0.5 * np.sin(2 * np.pi * base * 2.3 * times)
            strike = thump * np.exp(-times * damping)
            attack = _burst(rng, length) * np.exp(-times * rng.uniform(150, 600))
            add(wave, (strike + rng.uniform(0.2, 1.2) * attack) * rng.uniform(0.6, 1), at)
            at += int(rate * gap * rng.uniform(0.9, 1.1))
        at += int(rate * rng.uniform(0.5, 2.5))
    return to_peak(wave + 0.002 * rng.standard_normal(count), 0.8)


def engine(rng: Rng, count: int, rate: int) -> Samples:
    """A motor: a low pulse with many harmonics, some roughness, steady or revving."""
    pace = log_uniform(rng, 18, 110)
    speed = 1 + rng.uniform(0, 0.35) * slow_wave(rng, count=count, rate=rate, hz=0.4)
    phase = 2 * np.pi * np.cumsum(pace * speed) / rate
    wave = np.zeros(count)
    slope = rng.uniform(0.4, 1.4)
    for harmonic in range(1, int(rng.integers(6, 36))):
        if pace * harmonic * 1.4 > rate * 0.45:
            break
        wave += rng.uniform(0.3, 1) / harmonic**slope * np.sin(harmonic * phase + rng.uniform(0, 6))
    wave /= np.max(np.abs(wave)) + 1e-9
    rough = coloured_noise(rng, count=count, slope_db=rng.uniform(2, 6))
    wave += rng.uniform(0.02, 0.3) * rough * (0.6 + 0.4 * np.sin(phase * 0.5))
    return to_peak(wave, 0.7)


def chirps(rng: Rng, count: int, rate: int) -> Samples:
    """Bird-like chirps: fast sweeps between 2 and 7 kHz in phrases."""
    wave = np.zeros(count)
    at, base = int(rng.uniform(0, 0.5) * rate), log_uniform(rng, 2000, 4500)
    while at < count:
        depth, notes = rng.uniform(-0.4, 0.5), int(rng.integers(1, 7))
        for _ in range(notes):
            length = int(rate * rng.uniform(0.03, 0.18))
            times = np.linspace(0, 1, length)
            path = np.minimum(base * (1 + depth * times), rate * 0.45)
            note = np.sin(2 * np.pi * np.cumsum(path) / rate) * np.sin(np.pi * times)
            add(wave, note * rng.uniform(0.5, 1), at)
            at += length + int(rate * rng.uniform(0.02, 0.12))
        at += int(rate * rng.uniform(0.2, 1.2))
    return to_peak(wave + 0.003 * rng.standard_normal(count), 0.7)


def telephone(rng: Rng, count: int, rate: int) -> Samples:
    """A telephone: two bells struck by turns, or an electronic warble, on and off."""
    wave = np.zeros(count)
    low = log_uniform(rng, 500, 1800)
    pair = (low, low * rng.uniform(1.08, 1.45))
    on, off = rng.uniform(0.7, 2.2), rng.uniform(0.4, 3.0)
    pace, struck = rng.uniform(0.03, 0.07), rng.random() < 0.6
    half_life = rng.uniform(0.02, 0.09)
    start = float(rng.uniform(0, 0.5))
    while start < count / rate:
        for stroke in range(int(on / pace)):
            length = int(rate * (0.25 if struck else pace))
            hz, times = pair[stroke % 2], seconds(length, rate)
            if struck:
                partials = ((1, 1.0), (2.76, 0.4), (5.4, 0.2))
                note = sum(a * np.sin(2 * np.pi * hz * r * times) for r, a in partials)
                note = np.asarray(note) * 0.5 ** (times / half_life)
            else:
                note = np.sign(np.sin(2 * np.pi * hz * times)) * 0.5
            add(wave, note, int((start + stroke * pace) * rate))
        start += on + off
    return to_peak(wave + 0.001 * rng.standard_normal(count), 0.7)


def heartbeat(rng: Rng, count: int, rate: int) -> Samples:
    """Lub-dub: two low thumps close together, again and again."""
    wave = 0.005 * coloured_noise(rng, count=count, slope_db=6.0)
    period, gap = rng.uniform(0.45, 1.2), rng.uniform(0.2, 0.34)
    hz, at = log_uniform(rng, 35, 90), float(rng.uniform(0, 0.5))
    length = int(rate * rng.uniform(0.09, 0.18))
    while at < count / rate:
        for offset, pitch, level in ((0.0, hz, 1.0), (gap, hz * rng.uniform(1.1, 1.4), 0.7)):
            thump = np.sin(2 * np.pi * pitch * seconds(length, rate)) * np.hanning(length)
            add(wave, level * thump, int((at + offset) * rate))
        at += max(period, gap + 0.2) * rng.uniform(0.96, 1.04)
    return to_peak(wave, 0.8)


def silence(rng: Rng, count: int, rate: int) -> Samples:
    """Nothing, or noise far below hearing."""
    del rate
    level = 0.0 if rng.random() < 0.5 else 10 ** rng.uniform(-4.5, -3.5)
    return (level * rng.standard_normal(count)).astype(np.float32)


MAKERS: dict[str, Callable[[Rng, int, int], Samples]] = {
    "beeping": beeps,
    "steady_tone": steady_tone,
    "electric_hum": mains_hum,
    "siren": siren,
    "static_noise": steady_noise,
    "rain": rain,
    "wind": wind,
    "sea_waves": sea_waves,
    "clock_tick": ticking,
    "mouse_click": clicks,
    "bell": bell,
    "door_wood_knock": knocks,
    "engine": engine,
    "chirping_birds": chirps,
    "silence": silence,
    "telephone": telephone,
    "heartbeat": heartbeat,
}
"""Label to maker; each takes (rng, number of samples, samples per second)."""


DEMONSTRATED: dict[str, Callable[[Rng], Doubles]] = {
    "beeping": synthesis.beeps,
    "bell": synthesis.bell,
    "chirping_birds": synthesis.birds,
    "clock_tick": synthesis.clock,
    "door_wood_knock": synthesis.knocks,
    "engine": synthesis.engine,
    "heartbeat": synthesis.heartbeat,
    "rain": synthesis.rain,
    "siren": synthesis.siren,
    "static_noise": synthesis.hiss,
    "telephone": synthesis.phone,
    "wind": synthesis.wind,
}
"""The makers of the example sounds that a new user hears first."""
DEMONSTRATED_SHARE = 0.2


def make_sound(*, label: str, seed: int, seconds: float, rate: int) -> Samples:
    """One made sound; the same seed gives the same samples.

    Some are those of the program's examples, at another speed.
    """
    rng = np.random.default_rng([seed, sorted(MAKERS).index(label)])
    count = int(seconds * rate)
    if label not in DEMONSTRATED or rng.random() >= DEMONSTRATED_SHARE:
        return MAKERS[label](rng, count, rate)
    speed = log_uniform(rng, 0.8, 1.25)
    wave = soxr.resample(DEMONSTRATED[label](rng), synthesis.RATE * speed, rate, quality="HQ")
    start = int(rng.integers(max(1, wave.size - count + 1)))
    return to_peak(wave[start : start + count], 0.7)
