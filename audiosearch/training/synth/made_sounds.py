"""Which made sound stands for which label, and one of them by its seed.

In: a label, a seed, a length. Out: float32 mono samples. Most come from `synthetic`; some are those
of the program's example sounds, at another speed, so that a first try is described sensibly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import soxr

from audiosearch._typing import Doubles, Samples
from audiosearch.training.synth import synthesis, synthetic
from audiosearch.training.synth.waveforms import Rng, log_uniform, to_peak

MAKERS: dict[str, Callable[[Rng, int, int], Samples]] = {
    "beeping": synthetic.beeps,
    "steady_tone": synthetic.steady_tone,
    "electric_hum": synthetic.mains_hum,
    "siren": synthetic.siren,
    "static_noise": synthetic.steady_noise,
    "rain": synthetic.rain,
    "wind": synthetic.wind,
    "sea_waves": synthetic.sea_waves,
    "clock_tick": synthetic.ticking,
    "mouse_click": synthetic.clicks,
    "bell": synthetic.bell,
    "door_wood_knock": synthetic.knocks,
    "engine": synthetic.engine,
    "chirping_birds": synthetic.chirps,
    "silence": synthetic.silence,
    "telephone": synthetic.telephone,
    "heartbeat": synthetic.heartbeat,
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
