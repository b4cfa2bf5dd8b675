"""Decoded sound as the bytes of a WAV file, any range of which is known without what is before.

So that a player can ask for ranges of it as of a file: where a sample lies follows from the header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from audiosearch._typing import Floats

HEADER_BYTES: Final = 44
_MOST: Final = 0xFFFF_FFFF  # of a size in a header, and what stands there when it is more


@dataclass(frozen=True)
class WaveForm:
    """How samples are written: whole numbers of 16 or 24 bits, or floats of 32.

    Attributes:
        n_samples: of each channel; None: not known, as many as come.
    """

    sample_rate: int
    channels: int
    bits: int
    n_samples: int | None

    @classmethod
    def holding(
        cls, bit_depth: int | None, *, sample_rate: int, channels: int, n_samples: int | None
    ) -> WaveForm:
        """What loses nothing of a sound of `bit_depth`; None: of a lossy codec or of floats."""
        bits = 32 if bit_depth is None or bit_depth > 24 else 16 if bit_depth <= 16 else 24
        return cls(sample_rate, channels, bits, n_samples)

    @property
    def frame_bytes(self) -> int:
        """Of one sample of all channels."""
        return self.channels * self.bits // 8

    @property
    def n_bytes(self) -> int | None:
        """Of the whole file."""
        return None if self.n_samples is None else HEADER_BYTES + self.n_samples * self.frame_bytes

    def header(self) -> bytes:
        """All before the first sample."""
        sound = _MOST if self.n_samples is None else self.n_samples * self.frame_bytes
        form = struct.pack(
            "<HHIIHH",
            3 if self.bits == 32 else 1,  # floats, or whole numbers
            self.channels,
            self.sample_rate,
            min(self.sample_rate * self.frame_bytes, _MOST),
            self.frame_bytes,
            self.bits,
        )
        size = struct.pack("<I", min(sound + HEADER_BYTES - 8, _MOST))
        return b"".join(
            (
                *(b"RIFF", size, b"WAVE", b"fmt ", struct.pack("<I", len(form)), form),
                *(b"data", struct.pack("<I", min(sound, _MOST))),
            )
        )

    def encode(self, samples: Floats) -> bytes:
        """The bytes of samples (n, channels)."""
        if self.bits == 32:
            return bytes(np.ascontiguousarray(samples, "<f4").data)
        full = 1 << (self.bits - 1)
        whole = np.rint(np.clip(samples.astype(np.float64) * full, -full, full - 1))
        if self.bits == 16:
            return bytes(whole.astype("<i2").data)
        return bytes(np.ascontiguousarray(whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]))

    def sample_at(self, byte: int) -> tuple[int, int]:
        """The sample that a byte of the file belongs to, and which byte of it it is.

        Of the header, the first sample, with how many bytes are before it as a negative number.
        """
        if byte < HEADER_BYTES:
            return 0, byte - HEADER_BYTES
        return divmod(byte - HEADER_BYTES, self.frame_bytes)
