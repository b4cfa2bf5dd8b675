"""Sound levels on the way through: EBU R128 loudness, by FFmpeg's filter `ebur128`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from audiosearch._typing import Doubles

BLOCK_S = 1.0  # sound handed on at once: enough for numpy to be worth its calls
GATE_LUFS = -70.0  # the absolute gate of BS.1770: what is below has no loudness
MIN_RATE = 8_000  # the weighting reaches to some 2 kHz and is no filter any more below 4 kHz
_PIECE_S = 0.1  # `ebur128` cuts its output so


class FrameFormat(NamedTuple):
    """What must stay the same for frames to be one run of sound.

    A tuple and no dataclass: it is made for every frame, and a frame may be 3 ms of sound.
    """

    sample_format: str
    layout: str
    channels: int
    sample_rate: int

    @classmethod
    def of(cls, frame: AudioFrame) -> FrameFormat:
        """The format of a decoded frame."""
        layout = frame.layout
        return cls(frame.format.name, layout.name, layout.nb_channels, frame.sample_rate)


class LoudnessMeter:
    """Passes frames of one format through and measures their integrated loudness.

    The filter (ITU-R BS.1770 gating) passes the sound through in pieces of 100 ms; taking the
    samples from behind it spares a conversion of our own. It costs about a third of decoding.
    """

    def __init__(self, form: FrameFormat) -> None:
        self._channels = form.channels
        self._rate = form.sample_rate
        self._block = round(form.sample_rate * BLOCK_S)
        self._piece = round(form.sample_rate * _PIECE_S)
        self._inside = 0  # samples (per channel) in the filter that have not come out
        self._last_whole: AudioFrame | None = None
        graph = Graph()
        graph.threads = 1
        source = graph.add_abuffer(
            sample_rate=form.sample_rate, format=form.sample_format, layout=form.layout
        )
        meter = graph.add("ebur128", "metadata=1:framelog=quiet")
        sink = graph.add("abuffersink")
        graph.link_nodes(source, meter, sink).configure()
        self._graph = graph

    def blocks(self, frames: Iterable[AudioFrame]) -> Iterator[Doubles]:
        """The sound of `frames` as blocks (n, channels) of `BLOCK_S` and less, nothing dropped."""
        pieces: list[Doubles] = []
        held = 0
        for frame in frames:
            for piece in self._through(frame):
                pieces.append(piece)
                held += len(piece)
            if held >= self._block:
                yield np.concatenate(pieces)
                pieces, held = [], 0
        pieces += self._through(None)
        if pieces:
            yield np.concatenate(pieces)

    def integrated_lufs(self) -> float | None:
        """Loudness of all that went through.

        None where it was too short or too quiet for one, or at a sample rate that holds too little
        of the band in which loudness is weighted.
        """
        if self._last_whole is None or self._rate < MIN_RATE:
            return None
        text = self._last_whole.metadata.get("lavfi.r128.I")
        value = math.nan if text is None else float(text)
        return value if math.isfinite(value) and value > GATE_LUFS else None

    def _through(self, frame: AudioFrame | None) -> Iterator[Doubles]:
        self._graph.push(frame)
        self._inside += self._piece if frame is None else frame.samples
        while self._inside >= self._piece:  # asking in vain costs an exception each time
            try:
                piece = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(piece, AudioFrame)
            self._inside -= piece.samples if frame is not None else 0
            if piece.samples == self._piece:  # the rest at the end is not measured
                self._last_whole = piece
            count = piece.samples * self._channels  # a plane may be padded
            samples = np.frombuffer(memoryview(piece.planes[0]), np.float64, count)
            yield samples.reshape(-1, self._channels)
