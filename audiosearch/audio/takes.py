"""Whether two recordings are one take, in whatever form: by how their spectra move in time.

Level, sampling rate, codec and a little silence at the start do not count; two takes of the same
thing differ, rain from rain too, since no two move alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from audiosearch._typing import Doubles, Floats

RATE: Final = 8000  # Hz; what is above 4 kHz is lost by many an encoder
MOST_S: Final = 600.0  # of a recording that is looked at
_FRAME: Final = 1024  # samples, 128 ms: long, so that a copy may lie between two frames
_HOP: Final = 256
_BANDS: Final = 24
_RANGE_HZ: Final = (100.0, 3600.0)
_FLOOR_DB: Final = -50.0  # below the loudest; what is quieter an encoder alters
_PAUSE_DB: Final = -40.0  # below the loudest
_SHIFT: Final = 7  # frames, 0.2 s; encoders put up to 0.1 s in front
_STEPS_A_DB: Final = 5.0
_STEADY_DB: Final = 0.5  # a sound that moves less has nothing to tell it by but its spectrum


@dataclass(frozen=True)
class TakePrint:
    """How a sound's spectrum moves in time, small enough to hold thousands of them.

    Attributes:
        steps: (n_frames, n_bands) uint8, fifths of a decibel below the loudest.
    """

    steps: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, blocks: Iterable[Floats]) -> TakePrint:
        """The print of mono sound at `RATE`."""
        return cls(np.round(-_levels(blocks) * _STEPS_A_DB).astype(np.uint8))

    def likeness(self, other: TakePrint) -> float:
        """How alike two sounds are: 1 for the same take, about 0 for different ones."""
        return _likeness(self.steps / -_STEPS_A_DB, other.steps / -_STEPS_A_DB)


def _levels(blocks: Iterable[Floats]) -> Doubles:
    """The spectrum over time (n_frames, n_bands), in dB below the loudest."""
    samples = np.concatenate([np.zeros(0, np.float32), *blocks])[: round(MOST_S * RATE)]
    if len(samples) < _FRAME:
        samples = np.pad(samples, (0, _FRAME - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    window = np.hanning(_FRAME).astype(np.float32)
    edges = np.geomspace(*_RANGE_HZ, _BANDS + 1) * _FRAME / RATE
    power = np.concatenate(
        [
            np.abs(np.fft.rfft(frames[start : start + 4096] * window)) ** 2
            for start in range(0, len(frames), 4096)
        ]
    )
    bands = np.stack(
        [
            power[:, int(low) : max(int(low) + 1, int(high))].mean(axis=1)
            for low, high in itertools.pairwise(edges)
        ],
        axis=1,
    )
    loudest = float(bands.max(initial=0.0))
    if loudest <= 0.0:
        return np.full_like(bands, _FLOOR_DB, dtype=np.float64)
    level = 10 * np.log10(bands / loudest + 1e-12)
    levels: Doubles = np.maximum(level, _FLOOR_DB).astype(np.float64)
    return levels


def _likeness(one: Doubles, other: Doubles) -> float:
    best = -1.0
    for shift in range(-_SHIFT, _SHIFT + 1):
        left, right = one[max(0, shift) :], other[max(0, -shift) :]
        n = min(len(left), len(right))
        if n < max(len(one), len(other)) - 2 * _SHIFT or n < 1:
            continue
        best = max(best, _correlation(left[:n], right[:n]))
    return best


def _correlation(one: Doubles, other: Doubles) -> float:
    # Pauses that both have tell nothing: knocks would be alike by the silence after them.
    loudest = np.maximum(one.max(axis=1), other.max(axis=1))
    sounding = loudest > _PAUSE_DB
    one, other = one[sounding], other[sounding]
    if not len(one):
        return 1.0
    x, y = one - one.mean(axis=0), other - other.mean(axis=0)
    x_rms, y_rms = float(np.sqrt(np.mean(x**2))), float(np.sqrt(np.mean(y**2)))
    if max(x_rms, y_rms) < _STEADY_DB:
        x, y = one.mean(axis=0) - one.mean(), other.mean(axis=0) - other.mean()
        x_rms, y_rms = float(np.sqrt(np.mean(x**2))), float(np.sqrt(np.mean(y**2)))
    if min(x_rms, y_rms) < 1e-9:
        return 1.0 if max(x_rms, y_rms) < 1e-9 else 0.0
    return float(np.mean(x * y) / (x_rms * y_rms))
