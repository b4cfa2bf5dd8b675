"""soxr as a stream, for one channel or many at once."""

from __future__ import annotations

import numpy as np
import soxr

from audiosearch._typing import Floats

QUALITY = "HQ"  # soxr: 20 bit, band to 0.91 of Nyquist, more than any encoder hears


class Resampler:
    """Passes the sound through where the rate is right already."""

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
