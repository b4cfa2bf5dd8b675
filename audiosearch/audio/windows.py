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
SILENCE_PEAK = 1e-4  # -80 dBFS: below the dither and hiss of any recording of something


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of a recording, ready for the encoder."""

    position: int  # 0, 1, 2 ... in the order of time
    start_s: float
    end_s: float
    start: int  # its first sample, counted from the start of the recording
    samples: Floats  # (n,) mono
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

    It holds one window and one block, however long the recording. Every window has full length,
    but for a recording shorter than a window, which is one window of its own length. The end is
    covered too: if more than `MIN_TAIL_S` would be left over, one last full window ends where the
    sound ends.

    Raises:
        ValueError: the hop is longer than the window, or either is less than one sample.
    """
    size, hop = round(window_s * sample_rate), round(hop_s * sample_rate)
    if not 1 <= hop <= size:
        raise ValueError(f"hop of {hop} samples does not fit a window of {size}")
    tail = round(MIN_TAIL_S * sample_rate)
    pieces: list[Floats] = []  # the last samples heard, put together when a window is due
    start, heard = 0, 0  # where they begin and end, in samples from the start of the recording
    position, covered = 0, 0
    for block in blocks:
        pieces.append(block)
        heard += len(block)
        if position * hop + size > heard:
            continue
        kept = _joined(pieces)
        while position * hop + size <= heard:
            covered = position * hop + size
            yield _window(kept, start, position, position * hop, covered, sample_rate)
            position += 1
        # Needed from here on: the next window, or one that ends with the sound.
        needed = min(position * hop, heard - size)
        pieces = [kept[needed - start :].copy()]
        start = needed
    if heard > 0 and (covered == 0 or heard - covered > tail):
        first = max(0, heard - size)
        yield _window(_joined(pieces), start, position, first, heard, sample_rate)


def _joined(pieces: list[Floats]) -> Floats:
    """Pieces as one array of its own, which nobody changes any more."""
    return pieces[0].copy() if len(pieces) == 1 else np.concatenate(pieces)


def _window(
    kept: Floats,
    kept_start: int,
    position: int,
    start: int,
    end: int,
    sample_rate: int,
) -> Window:
    samples = kept[start - kept_start : end - kept_start]
    return Window(
        position=position,
        start_s=start / sample_rate,
        end_s=end / sample_rate,
        start=start,
        samples=samples,
        silent=bool(max(samples.max(), -samples.min()) < SILENCE_PEAK),
    )
