"""When a stream starts, pauses and ends by its container's clock.

Codecs work in blocks, so that the last one holds more than was recorded; edit lists (MP4) and
`fact` chunks (ADPCM in WAV) tell how much of it is sound, and FFmpeg does not always heed them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from audiosearch._typing import Doubles
from audiosearch.audio.container import OpenedPart
from audiosearch.audio.tracks import MAX_LATE_S

# More than that at the end is no padding: then the container is wrong, and all of it is heard.
MAX_PADDING = 8192
GAP_S = 0.1
_SILENT_BYTES = {"u8": b"\x80", "u8p": b"\x80"}


class EndTrim:
    """Cuts the padding behind the last sample of a stream, across all its runs."""

    def __init__(self, seconds: float | None) -> None:
        self._left_s = seconds

    @classmethod
    def of(cls, part: OpenedPart, stream: AudioStream, n_samples: int | None) -> EndTrim:
        """For a stream; `n_samples`: what its header says, where FFmpeg does not know it."""
        if n_samples is not None:
            return cls(n_samples / stream.codec_context.sample_rate)
        kind = part.container.format.name.partition(",")[0]
        if kind == "mov" and stream.duration and stream.time_base is not None:
            return cls(float(stream.duration * stream.time_base))
        return cls(None)

    def cut(self, blocks: Iterable[Doubles], *, rate: int) -> Iterator[Doubles]:
        """`blocks` (n, channels) of one run without what is padding."""
        if self._left_s is None:
            yield from blocks
            return
        left, n_beyond = round(self._left_s * rate), 0
        beyond: list[Doubles] = []
        for block in blocks:
            if n_beyond > MAX_PADDING:
                yield block
                continue
            inside, outside = block[:left], block[left:]
            left -= len(inside)
            if len(inside):
                yield inside
            if len(outside):
                beyond.append(outside)
                n_beyond += len(outside)
                if n_beyond > MAX_PADDING:
                    yield from beyond
                    beyond = []
        self._left_s = left / rate


def lateness(streams: Sequence[AudioStream]) -> list[float]:
    """By how many seconds each stream starts after the first."""
    starts = [
        float(stream.start_time * stream.time_base)
        if stream.start_time is not None and stream.time_base is not None
        else 0.0
        for stream in streams
    ]
    late = [start - min(starts) for start in starts]
    return [each if each <= MAX_LATE_S else 0.0 for each in late]


def without_gaps(frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
    """`frames` with silent ones where their timestamps leave something out."""
    expected_s: float | None = None
    filled_s = 0.0
    for frame in frames:
        if frame.pts is not None and frame.time_base is not None:
            start_s = float(frame.pts * frame.time_base)
            gap_s = 0.0 if expected_s is None else start_s - expected_s
            if gap_s > GAP_S and filled_s + gap_s <= MAX_LATE_S:
                filled_s += gap_s
                yield from _silence(frame, round(gap_s * frame.sample_rate))
                expected_s = start_s
            elif expected_s is None:
                expected_s = start_s
        if expected_s is not None:
            expected_s += frame.samples / frame.sample_rate
        yield frame


def _silence(like: AudioFrame, n_samples: int) -> Iterator[AudioFrame]:
    while n_samples > 0:
        count = min(n_samples, like.sample_rate)
        silent = AudioFrame(format=like.format.name, layout=like.layout, samples=count)
        silent.sample_rate = like.sample_rate
        for plane in silent.planes:
            plane.update(_SILENT_BYTES.get(like.format.name, b"\0") * plane.buffer_size)
        yield silent
        n_samples -= count
