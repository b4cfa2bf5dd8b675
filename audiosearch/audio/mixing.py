"""Many channels to one, the rate wanted, and what cannot be sound kept out.

The mean is what the published encoders were trained with; in order, it stays so to the last bit.
"""

from __future__ import annotations

import math

import numpy as np
import soxr

from audiosearch._typing import Doubles, Floats, Samples
from audiosearch.audio.windows import SILENCE_PEAK

LOST_DB = 20.0
FADE_S = 0.01
STAY_DB = 1.0  # the channel heard is kept until another is louder by this: fewer changes
_LOST = 10 ** (-(LOST_DB - 0.05) / 20)  # exactly as much counts, however it is rounded
_STAY = 10 ** (-STAY_DB / 20)
_EVERY = 16  # samples that are looked at for an offset
_MEAN = -1  # in place of a channel's number


class Levels:
    """The peak over all channels, and how many samples are no sound (not finite: set to 0)."""

    def __init__(self) -> None:
        self.peak = 0.0
        self.n_bad = 0
        self.n_samples = 0

    def clean(self, block: Doubles) -> Doubles:
        """`block` with NaN and infinities as 0."""
        self.n_samples += block.size
        peak = max(float(block.max()), -float(block.min()))
        if not peak < np.inf:  # NaN compares false
            bad = ~np.isfinite(block)
            self.n_bad += int(np.count_nonzero(bad))
            block = np.where(bad, 0.0, block)
            peak = float(np.abs(block).max())
        self.peak = max(self.peak, peak)
        return block


class Mixer:
    """Mixes the blocks of one stream of sound, about a second each, one after the other.

    Where channels cancel (one leg reversed, mid and side taken for left and right, the four of an
    ambisonic recording) their mean holds next to nothing of what is heard on any loudspeaker. So
    each block is looked at: if its mean lies `LOST_DB` or more below its loudest channel, or is
    silent by `SILENCE_PEAK` while a channel is not, that channel is heard in its place. A
    constant offset counts for nothing there. The choice changes within `FADE_S`, without a click.
    """

    def __init__(self, sample_rate: int) -> None:
        self._fade = max(1, round(FADE_S * sample_rate))
        self._heard = _MEAN

    def mono(self, block: Doubles, *, peak: float = math.inf) -> Samples:
        """`block` (n, channels), clean, as one channel; nothing in it is above `peak`."""
        channels = block.shape[1]
        if channels == 1:
            return block[:, 0].astype(np.float32)
        mean: Doubles = block @ np.full(channels, 1 / channels)
        before, self._heard = self._heard, self._choice(block, mean, peak)
        if self._heard == before == _MEAN:
            return mean.astype(np.float32)
        sound = _take(block, mean, self._heard)
        if before != self._heard and before < channels:
            n_fade = min(self._fade, len(block))
            rise = (np.arange(n_fade) + 0.5) / n_fade
            old = _take(block, mean, before)[:n_fade]
            sound = np.concatenate((old * (1 - rise) + sound[:n_fade] * rise, sound[n_fade:]))
        return sound.astype(np.float32)

    def _choice(self, block: Doubles, mean: Doubles, peak: float) -> int:
        """The channel to be heard, or the mean."""
        of_mean = _energy(mean)
        constant = _constant(mean[::_EVERY])
        if 4 * len(mean) * constant**2 > of_mean:  # an offset of a converter's hides what is lost
            block = block - block.mean(axis=0)
            mean = mean - _constant(mean)
            of_mean = _energy(mean)
        elif of_mean > len(mean) * max(peak * _LOST, SILENCE_PEAK) ** 2:
            return _MEAN  # as nearly always: no channel has so much more
        energies = np.einsum("nc,nc->c", block, block)
        loudest = float(energies.max())
        if loudest == 0:
            return _MEAN
        if of_mean <= loudest * _LOST**2:
            stays = self._heard != _MEAN and self._heard < len(energies)
            if stays and energies[self._heard] >= loudest * _STAY**2:
                return self._heard
            return int(energies.argmax())
        if _peak(mean) < SILENCE_PEAK:
            peaks = np.abs(block).max(axis=0)
            if peaks.max() >= SILENCE_PEAK:
                return int(peaks.argmax())
        return _MEAN


def _take(block: Doubles, mean: Doubles, choice: int) -> Doubles:
    return mean if choice == _MEAN else block[:, choice]


def _energy(samples: Doubles) -> float:
    return float(np.einsum("n,n->", samples, samples))  # BLAS would wake threads for so little


def _constant(samples: Doubles) -> float:
    return float(samples.sum()) / len(samples)


def _peak(samples: Doubles) -> float:
    return max(float(samples.max()), -float(samples.min()))


QUALITY = "HQ"  # soxr: 20 bit, band to 0.91 of Nyquist, more than any encoder hears


class Resampler:
    """soxr as a stream; passes the sound through where the rate is right already."""

    def __init__(self, rate_in: int, rate_out: int, *, channels: int = 1) -> None:
        self._nothing: Floats = np.empty(0 if channels == 1 else (0, channels), np.float32)
        self._stream = (
            None
            if rate_in == rate_out
            else soxr.ResampleStream(rate_in, rate_out, channels, "float32", QUALITY)
        )

    def feed(self, samples: Floats) -> Floats:
        """What is ready after `samples` (n,), or (n, channels) if there are several."""
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def end(self) -> Floats:
        """What is still inside."""
        if self._stream is None:
            return self._nothing
        rest: Floats = self._stream.resample_chunk(self._nothing, last=True)
        return rest
