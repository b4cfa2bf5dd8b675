"""The files that clips are cut from: their form, and their samples from one place to another.

Bit for bit where libsndfile reads without loss. Lossy formats, and files whose headers say
something else than the library has heard, are decoded as indexing decodes them, so that times
mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import soundfile

from audiosearch._typing import Floats
from audiosearch.audio.sandbox.client import Worker
from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.exchange.stretches import LabelledStretch

_ANY_RATE = 32_000  # Hz; nothing is decoded at it
_BLOCK = 1 << 16  # samples
_AGREE_S = 0.05  # by which a header may differ from what was heard
_BITS = {
    "PCM_U8": 8,
    "PCM_S8": 8,
    "PCM_16": 16,
    "PCM_24": 24,
    "PCM_32": 32,
    "ALAC_16": 16,
    "ALAC_20": 24,
    "ALAC_24": 24,
    "ALAC_32": 32,
    "FLOAT": 32,
    "DOUBLE": 64,
    "ULAW": 16,
    "ALAW": 16,
}
_WIDTHS = (8, 16, 24, 32)

Block = np.ndarray[Any, Any]  # (n, channels): int32 with the sound in its upper bits, or floats


class ClipSource:
    """A file that clips are cut from: its form, and its samples from one place to another."""

    def __init__(
        self,
        file: soundfile.SoundFile | None,
        pieces: Iterable[Floats] | None,
        *,
        rate: int,
        channels: int,
        bits: int,
        is_float: bool,
        path: bytes,
        n_samples: int | None,
    ) -> None:
        self._file = file
        self._n_samples = n_samples
        self._pieces = pieces
        self.rate, self.channels, self.bits, self.is_float = rate, channels, bits, is_float
        self.path = path

    @property
    def decoded(self) -> bool:
        """Whether samples come from the decoder."""
        return self._file is None

    def length(self, start: int, end: int) -> int:
        """Samples there are from `start` to `end`, as far as it is known beforehand."""
        last = end if self._n_samples is None else min(end, self._n_samples)
        return max(0, last - start)

    def blocks(self, start: int, end: int) -> Iterator[Block]:
        """The samples from `start` to `end` as (n, channels)."""
        if self._file is None:
            yield from self._decoded_blocks(start, end)
            return
        remaining = self.length(start, end)
        if remaining:
            self._file.seek(start)
        dtype = "float64" if self.is_float else "int32"
        while remaining:
            try:
                block = self._file.read(min(_BLOCK, remaining), dtype=dtype, always_2d=True)
            except soundfile.SoundFileError as error:
                raise DecodeError(str(error), code=DecodeCode.DAMAGED, path=self.path) from error
            if not len(block):
                raise DecodeError("ends early", code=DecodeCode.DAMAGED, path=self.path)
            remaining -= len(block)
            yield block

    def _decoded_blocks(self, start: int, end: int) -> Iterator[Block]:
        position = 0
        for flat in self._pieces or ():
            block = flat.reshape(-1, self.channels)
            first, last = max(0, start - position), min(len(block), end - position)
            if first < last:
                some = block[first:last]
                yield some if self.is_float else as_integers(some, bits=self.bits)
            position += len(block)
            if position >= end:
                return

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def exact_source(stretch: LabelledStretch) -> ClipSource | None:
    """The file as libsndfile reads it; None where that loses something, or is not what was heard.

    Raises:
        DecodeError: there is no such file.
    """
    try:
        with open(stretch.path, "rb"):  # noqa: PTH123  # bytes; says why it cannot be read
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=stretch.path) from error
    try:
        file = soundfile.SoundFile(stretch.path)
    except (soundfile.SoundFileError, RuntimeError):
        return None
    heard_s = stretch.facts.duration_s
    agrees = heard_s is None or abs(file.frames / file.samplerate - heard_s) <= _AGREE_S
    if file.subtype not in _BITS or not agrees:
        file.close()
        return None
    return ClipSource(
        file,
        None,
        rate=file.samplerate,
        channels=file.channels,
        bits=_BITS[file.subtype],
        is_float=file.subtype in ("FLOAT", "DOUBLE"),
        path=stretch.path,
        n_samples=file.frames,
    )


def decoded_source(stretch: LabelledStretch, worker: Worker) -> ClipSource:
    """The file as the decoder reads it, in a process of its own.

    Raises:
        DecodeError: it cannot be read.
    """
    rate = stretch.facts.sample_rate
    if rate is None:
        rate = worker.open(stretch.path, sample_rate=_ANY_RATE).fingerprint.sample_rate
        worker.skip()
    opened = worker.open(stretch.path, sample_rate=rate, mixed=False)
    heard_s, lossless = stretch.facts.duration_s, opened.fingerprint.bit_depth
    bits = 32 if lossless is None else next((each for each in _WIDTHS if each >= lossless), 32)
    return ClipSource(
        None,
        worker.blocks(),
        rate=rate,
        channels=opened.fingerprint.channels,
        bits=bits,
        is_float=lossless is None or bits == 32,
        path=stretch.path,
        n_samples=None if heard_s is None else round(heard_s * rate),
    )


def as_integers(samples: Block, *, bits: int) -> Block:
    """Floats as int32 of which the upper `bits` count, the nearest; beyond full scale, clipped."""
    full = 1 << (bits - 1)
    counted = np.clip(np.rint(samples.astype(np.float64) * full), -full, full - 1)
    return (counted.astype(np.int64) << (32 - bits)).astype(np.int32)
