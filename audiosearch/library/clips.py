"""One sound for a query: a file or a part of it, decoded and encoded as indexing would.

In goes a path and a stretch of time, out come its windows with what the encoder says of each. The
file need not be in the library, and nothing is stored. It is decoded in a child process, like
every file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from audiosearch._typing import Floats
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.audio.windows import Window, windows
from audiosearch.config import IndexConfig
from audiosearch.errors import QueryError
from audiosearch.model.encoder import Encoded, Encoder

_BATCH = 16  # windows encoded together, so that answers about a long file come as it is read


@dataclass(frozen=True)
class HeardWindow:
    """A window of the sound; times count from the start of the file. Silence is not encoded."""

    start_s: float
    end_s: float
    encoded: Encoded | None


def listen(
    path: bytes,
    *,
    start_s: float,
    end_s: float | None,
    encoder: Encoder,
    config: IndexConfig,
) -> Iterator[HeardWindow]:
    """The windows of a file from `start_s` to `end_s` (None: its end), as they are decoded.

    Raises:
        DecodeError: the file cannot be read.
        QueryError: the part lies beyond its end.
    """
    bundle = encoder.bundle
    limits = WorkerLimits.of(config)
    with Worker(limits) as worker:
        worker.open(path, sample_rate=bundle.sample_rate)
        part = stretch(
            worker.blocks(), start_s=start_s, end_s=end_s, sample_rate=bundle.sample_rate
        )
        cut = windows(
            part,
            sample_rate=bundle.sample_rate,
            window_s=bundle.window_s,
            hop_s=config.hop * bundle.window_s,
        )
        heard_any = False
        while batch := list(islice(cut, _BATCH)):
            heard_any = True
            yield from _encode(batch, offset_s=start_s, encoder=encoder)
    if not heard_any:
        raise QueryError(f"the sound ends before {start_s:g} s", path=path)


def _encode(batch: list[Window], *, offset_s: float, encoder: Encoder) -> Iterator[HeardWindow]:
    encoded = iter(encoder.encode_many([each.samples for each in batch if not each.silent]))
    for each in batch:
        yield HeardWindow(
            start_s=offset_s + each.start_s,
            end_s=offset_s + each.end_s,
            encoded=None if each.silent else next(encoded),
        )


def stretch(
    blocks: Iterable[Floats], *, start_s: float, end_s: float | None, sample_rate: int
) -> Iterator[Floats]:
    """The samples of `blocks` (n,) that lie in start_s to end_s; reads no further than needed."""
    start = round(start_s * sample_rate)
    end = None if end_s is None else round(end_s * sample_rate)
    position = 0
    for block in blocks:
        first = max(0, start - position)
        last = len(block) if end is None else min(len(block), end - position)
        if first < last:
            yield block[first:last]
        position += len(block)
        if end is not None and position >= end:
            return
