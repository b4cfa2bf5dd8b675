"""Sounds with captions or labels, as every benchmark takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audiosearch._typing import Bools, Ints


@dataclass(frozen=True, kw_only=True)
class DatasetClip:
    """A sound file and what is said of it.

    Attributes:
        name: what it is called in its data set; no two clips share one.
        captions: sentences that describe it; none in a labelled folder.
        label: what it is, in a word; empty where nobody said.
        group: clips of one group come from one original recording or person; empty if unknown.
        fold: the part of the data set that it belongs to, if there are parts.
    """

    name: str
    path: Path
    captions: tuple[str, ...] = ()
    label: str = ""
    group: str = ""
    fold: str = ""


@dataclass(frozen=True, kw_only=True)
class LabelledQuery:
    """A free-text query with the sounds that answer it marked in their `captions`.

    Attributes:
        wording: which way of saying things it belongs to; empty if there is one only.
        part: which part of the data set; empty if there are none.
    """

    text: str
    wording: str = ""
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Clips in a fixed order.

    Attributes:
        queries: free-text queries, where the data set has some: a clip answers those among its
            captions.
        n_missing: clips that the data set lists but whose files are not there, left out because
            the user said so.
    """

    name: str
    clips: tuple[DatasetClip, ...]
    n_missing: int = 0
    queries: tuple[LabelledQuery, ...] = ()

    @property
    def captions(self) -> tuple[str, ...]:
        """All captions, clip by clip."""
        return tuple(caption for clip in self.clips for caption in clip.captions)

    @property
    def caption_owners(self) -> Ints:
        """(n_captions,) the clip of each caption."""
        counts = [len(clip.captions) for clip in self.clips]
        return np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    @property
    def relevant(self) -> Bools:
        """(n_clips, n_captions): whether this caption was written for this clip."""
        relevant: Bools = np.arange(len(self.clips))[:, None] == self.caption_owners[None, :]
        return relevant

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({clip.label for clip in self.clips}))

    def sample(self, n: int, *, seed: int) -> Dataset:
        """`n` of the clips, drawn with `seed`, in their order; all where there are no more."""
        if n >= len(self.clips):
            return self
        rows = np.sort(np.random.default_rng(seed).choice(len(self.clips), n, replace=False))
        return replace(self, clips=tuple(self.clips[row] for row in rows))
