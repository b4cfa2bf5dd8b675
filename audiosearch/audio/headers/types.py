"""What a header's reader finds out; shared by the readers of all containers."""

from __future__ import annotations

from dataclasses import dataclass

from audiosearch.audio.source import Span


@dataclass(frozen=True)
class Extent:
    """How much sound a file holds by its header, how much is there, and how it is to be read.

    Attributes:
        spans: what FFmpeg is given, one container each, to be heard one after the other; empty:
            the file as it is.
        declared_s: seconds of sound that the header tells of; None: it does not say.
        present_s: seconds by the bytes that are there; None: packets will tell.
        n_samples: where the last block of a codec holds more than was recorded, how much was, a
            channel.
        n_links: how many files it is made of by joining, of which the first tells its own length.
        container: FFmpeg's name of the file's own container, where it is given another's header.
        note: anything else to be said of it, as a clause.
    """

    spans: tuple[Span, ...] = ()
    declared_s: float | None = None
    present_s: float | None = None
    n_samples: int | None = None
    n_links: int = 1
    container: str | None = None
    note: str | None = None


AS_IT_IS = Extent()
