"""Stretches of files, and what is to be seen of them, read in the decoding process.

A file stays open where it was left, so that a sound that is asked for piece by piece is decoded
once, and its pieces join.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from audiosearch._typing import Floats
from audiosearch.audio.mixing import Mixer
from audiosearch.audio.peaks import PeakMeter
from audiosearch.audio.sandbox.protocol import MessageKind, pack_form, send
from audiosearch.audio.sandbox.watched import WatchedFile
from audiosearch.audio.seeking import decode_from
from audiosearch.audio.spectrogram import SpectrogramMeter
from audiosearch.audio.types import StretchRequest, ViewKind, ViewRequest
from audiosearch.errors import DecodeCode, DecodeError

_MOST_VALUES = 1 << 22  # of one message, which may not be of any length


class StretchReader:
    """Reads what is asked for, one request after the other; `pulse` is told of progress."""

    def __init__(self, pulse: Callable[[], None]) -> None:
        self._pulse = pulse
        self._reading: _Reading | None = None

    def send(self, request: StretchRequest, answers: BinaryIO) -> None:
        """Send the samples: what they are, blocks, and an end.

        Raises:
            DecodeError: the file cannot be read, or is another by now.
            BrokenPipeError: nobody takes them.
        """
        channels = 0
        for block in self._blocks(request):
            if not channels:
                channels = block.shape[1]
                send(answers, MessageKind.FORM, pack_form(channels))
            send(answers, MessageKind.BLOCK, np.ascontiguousarray(block).tobytes())
            self._pulse()
        if not channels:
            send(answers, MessageKind.FORM, pack_form(1))
        send(answers, MessageKind.END)

    def view(self, request: ViewRequest) -> bytes:
        """What is to be seen, `width` times `height` bytes.

        Raises:
            DecodeError: as of `send`; it takes too long (TIMEOUT).
        """
        stretch = request.stretch
        if request.kind is ViewKind.PEAKS:
            peaks = PeakMeter(stretch.n_samples, request.width)
            self._look_through(request, peaks.feed)
            return peaks.result().to_bytes()
        picture = SpectrogramMeter(
            stretch.n_samples,
            width=request.width,
            height=request.height,
            sample_rate=stretch.sample_rate,
        )
        mixer = Mixer(stretch.sample_rate)

        def draw(block: Floats) -> None:
            if picture.wants(len(block)):
                picture.feed(mixer.mono(block.astype(np.float64)))
            else:
                picture.skip(len(block))

        self._look_through(request, draw)
        return picture.result().tobytes()

    def _look_through(self, request: ViewRequest, take: Callable[[Floats], None]) -> None:
        stretch, end_s = request.stretch, time.monotonic() + request.patience_s
        for block in self._blocks(stretch):
            self._pulse()
            if time.monotonic() > end_s:
                reason = f"could not be looked at within {request.patience_s:g} s"
                raise DecodeError(reason, code=DecodeCode.TIMEOUT, path=stretch.path)
            take(block)

    def close(self) -> None:
        """Let go of the file."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    def _blocks(self, request: StretchRequest) -> Iterator[Floats]:
        reading = self._reading
        if reading is None or not reading.goes_on_with(request):
            self.close()
            reading = _Reading(request, self._pulse)
            self._reading = reading
        try:
            yield from reading.take(request.n_samples)
            reading.file.check_unchanged()
        except BrokenPipeError:
            raise
        except Exception as error:
            self.close()
            raise reading.file.reason(error) from error


class _Reading:
    """A file open at a sample."""

    def __init__(self, request: StretchRequest, pulse: Callable[[], None]) -> None:
        self.file = WatchedFile(request.path)
        stat = self.file.stat
        if (stat.st_size, stat.st_mtime_ns) != (request.size, request.mtime_ns):
            reason = "has changed since the library heard it"
            raise DecodeError(reason, code=DecodeCode.CHANGED, path=request.path)
        self._request = request
        self._at = request.start
        self._held: Floats | None = None
        self._blocks = decode_from(
            request.path,
            sample_rate=request.sample_rate,
            start=request.start,
            in_order=request.in_order,
            progress=pulse,
        )

    def goes_on_with(self, request: StretchRequest) -> bool:
        own = self._request
        return request.start == self._at and (
            (request.path, request.size, request.mtime_ns, request.sample_rate, request.in_order)
            == (own.path, own.size, own.mtime_ns, own.sample_rate, own.in_order)
        )

    def take(self, n_samples: int) -> Iterator[Floats]:
        while n_samples > 0:
            block = self._held if self._held is not None else next(self._blocks, None)
            if block is None:
                return
            n_given = min(n_samples, max(1, _MOST_VALUES // block.shape[1]))
            given, rest = block[:n_given], block[n_given:]
            self._held = rest if len(rest) else None
            n_samples -= len(given)
            self._at += len(given)
            yield given

    def close(self) -> None:
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()
