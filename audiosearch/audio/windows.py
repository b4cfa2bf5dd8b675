"""Cut a stream of samples into the windows that the model looks at.

It knows nothing of files, models or rates other than the one it is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Floats

if TYPE_CHECKING:
    from audiosearch.audio.stretches import SharedStretch

MIN_TAIL_S = 0.25  # a shorter rest after the last whole window says nothing new
TOGETHER = 8  # windows in one array: overlaps are held once, and what is done with is let go soon
SILENCE_PEAK = 1e-4  # -80 dBFS: below the dither and hiss of any recording of something


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of a recording, ready for the encoder."""

    position: int  # 0, 1, 2 ... in the order of time
    start_s: float
    end_s: float
    start: int  # its first sample, counted from the start of the recording
    samples: Floats  # (n,) mono; not to be written to
    silent: bool  # nothing above SILENCE_PEAK
    stretch: SharedStretch | None = None  # what it is encoded as a part of, if not alone

    @property
    def goes_on(self) -> bool:
        """Whether more windows of its stretch follow."""
        return self.stretch is not None and self.position < self.stretch.last


def windows(
    blocks: Iterable[Floats], *, sample_rate: int, window_s: float, hop_s: float
) -> Iterator[Window]:
    """Windows of `window_s` seconds each `hop_s` seconds over `blocks` of (n,) samples.

    It holds `TOGETHER` windows at most, however long the recording, and looks no further ahead
    than the next one needs. Every window has full length, but for a recording shorter than a
    window, which is one window of its own length. The end is covered too: if more than `MIN_TAIL_S`
    would be left over, one last full window ends where the sound ends. Neighbours share memory
    where they overlap; nothing of it is ever written again.

    Raises:
        ValueError: the hop is longer than the window, or either is less than one sample.
    """
    size, hop = round(window_s * sample_rate), round(hop_s * sample_rate)
    if not 1 <= hop <= size:
        raise ValueError(f"hop of {hop} samples does not fit a window of {size}")
    tail = round(MIN_TAIL_S * sample_rate)
    room: Floats = np.empty(size, np.float32)  # the sound from `begin`, as far as it is `filled`
    begin, filled = 0, 0
    position, covered = 0, 0
    for block in blocks:
        done = 0
        while done < len(block):
            if filled == len(room):
                following: Floats = np.empty(size + TOGETHER * hop, np.float32)
                following[:size] = room[-size:]  # a last window may begin anywhere in it
                begin += filled - size
                room, filled = following, size
            taken = block[done : done + len(room) - filled]
            room[filled : filled + len(taken)] = taken
            filled += len(taken)
            done += len(taken)
            while position * hop + size <= begin + filled:
                start = position * hop
                samples = room[start - begin : start - begin + size]
                yield _window(samples, position, start, sample_rate)
                covered = start + size
                position += 1
    heard = begin + filled
    if covered == 0 < heard:
        room.resize(heard, refcheck=False)  # where it is; nobody sees it yet
        yield _window(room, 0, 0, sample_rate)
    elif heard - covered > tail:
        yield _window(room[filled - size : filled], position, heard - size, sample_rate)


def _window(samples: Floats, position: int, start: int, sample_rate: int) -> Window:
    return Window(
        position=position,
        start_s=start / sample_rate,
        end_s=(start + len(samples)) / sample_rate,
        start=start,
        samples=samples,
        silent=bool(max(samples.max(), -samples.min()) < SILENCE_PEAK),
    )
