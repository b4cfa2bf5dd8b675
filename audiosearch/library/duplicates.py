"""Sounds that a library has more than once: the same bytes of sound, or one take in another form.

Embeddings and lengths say which sounds may be one take; then both are listened to. Thresholds are
measured: see docs/organising.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from audiosearch._typing import Floats
from audiosearch._urls import is_url
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.audio.takes import RATE, TakePrint
from audiosearch.config import IndexConfig
from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.library.lookup import library_vectors
from audiosearch.model.bundle import Bundle
from audiosearch.search.filters import Filters
from audiosearch.search.scope import find_scope
from audiosearch.store.database import Database
from audiosearch.store.queries.bundles import find_bundle_id
from audiosearch.store.queries.duplicates import HeldSound, held_sounds, recording_vectors
from audiosearch.store.vector_cache import VectorKind

LEAST_COSINE: Final = 0.94  # of copies the least was .959 (a fourth as loud); of others at most .90
LEAST_LIKENESS: Final = 0.87  # of copies the least was .881 (AAC, 96 kbit/s); of others .868
_LENGTH_S: Final = 0.25  # encoders add up to 0.1 s
_BLOCK: Final = 1024  # sounds compared together


class DuplicateKind(StrEnum):
    """In what the sounds of a group differ."""

    IDENTICAL = "identical"  # in nothing: their packets are the same
    OTHER_FORMAT = "other-format"  # in their encoding: codec, sampling rate, channels or bits
    NEAR = "near"  # in level, in a lossy encoder's errors, or in little edits


@dataclass(frozen=True)
class DuplicateFile:
    """A file in a group; `likeness` to the first: 1 where it is the same take."""

    path: bytes
    sound: HeldSound
    size: int
    likeness: float


@dataclass(frozen=True)
class DuplicateGroup:
    """Files that hold one sound, or one take; what is worth most first.

    That is a lossless one before others, then a higher sampling rate, more bits and a larger file.
    """

    kind: DuplicateKind
    files: tuple[DuplicateFile, ...]


@dataclass(frozen=True)
class Duplicates:
    """All groups, the largest first; `unheard` files could not be read to be compared."""

    groups: tuple[DuplicateGroup, ...]
    unheard: tuple[bytes, ...]


def find_duplicates(
    database: Database,
    bundle: Bundle | None,
    config: IndexConfig,
    *,
    filters: Filters | None = None,
    watched: Callable[[Sequence[HeldSound]], Iterable[HeldSound]] = iter,
) -> Duplicates:
    """The duplicates in a library.

    Args:
        database: an open library.
        bundle: the model whose embeddings tell what may be one take; None: identical sounds only.
        config: limits of decoding.
        filters: only files that pass are compared with each other.
        watched: goes through the sounds that are to be heard, in their order; to show how far.

    Raises:
        QueryError: a filter has no meaning here.
    """
    with database.reading() as session:
        sounds = held_sounds(session, find_scope(session, filters or Filters()))
    pairs = [] if bundle is None else _candidates(database, bundle, sounds)
    takes = _Takes(sounds)
    heard: dict[int, TakePrint] = {}
    unheard: list[bytes] = []
    parts = _components(len(sounds), pairs)
    to_hear = [index for part in parts for index in sorted({i for pair in part for i in pair})]
    with Worker(WorkerLimits.of(config)) as worker:
        remaining = iter(watched([sounds[index] for index in to_hear]))
        for part in parts:
            heard.clear()  # prints of one part only are held in memory
            for index in sorted({i for pair in part for i in pair}):
                sound = next(remaining)
                try:
                    heard[index] = _listen(worker, sound)
                except DecodeError:
                    unheard.append(sound.paths[0])
            takes.compare(part, heard)
        for _ in remaining:  # lets a bar come to its end
            pass
    return Duplicates(takes.groups(), tuple(unheard))


def _candidates(
    database: Database, bundle: Bundle, sounds: Sequence[HeldSound]
) -> list[tuple[int, int]]:
    """Pairs of places in `sounds`, which are in order of their length, that may be one take."""
    table = library_vectors(database, bundle, VectorKind.EMBEDDING)
    if table is None:
        return []
    with database.reading() as session:
        bundle_id = find_bundle_id(session, fingerprint=bundle.fingerprint)
        assert bundle_id is not None  # it has vectors
        ids, matrix = recording_vectors(
            session, [each.recording_id for each in sounds], table, bundle_id=bundle_id
        )
    places = {each.recording_id: place for place, each in enumerate(sounds)}
    rows = np.array([places[each] for each in ids.tolist()], np.int64)
    lengths = np.array([sounds[place].duration_s for place in rows.tolist()])
    return list(_close_pairs(rows, lengths, matrix))


def _close_pairs(
    rows: npt.NDArray[np.int64], lengths: npt.NDArray[np.float64], matrix: Floats
) -> Iterator[tuple[int, int]]:
    """Pairs of `rows` whose lengths (n,), ascending, and unit vectors (n, D) are near."""
    for start in range(0, len(rows), _BLOCK):
        end = min(start + _BLOCK, len(rows))
        last = int(np.searchsorted(lengths, lengths[end - 1] + _LENGTH_S, side="right"))
        for other in range(start, last, _BLOCK):
            until = min(other + _BLOCK, last)
            near = matrix[start:end] @ matrix[other:until].T >= LEAST_COSINE
            near &= lengths[None, other:until] - lengths[start:end, None] <= _LENGTH_S
            for left, right in np.argwhere(near).tolist():
                if start + left < other + right:
                    yield int(rows[start + left]), int(rows[other + right])


def _components(n: int, pairs: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Pairs that have to do with each other, together."""
    forest = _Forest(n)
    for left, right in pairs:
        forest.join(left, right)
    parts: dict[int, list[tuple[int, int]]] = {}
    for pair in pairs:
        parts.setdefault(forest.root(pair[0]), []).append(pair)
    return list(parts.values())


def _listen(worker: Worker, sound: HeldSound) -> TakePrint:
    error: DecodeError | None = None
    for path in sound.paths:
        if not is_url(path) and not os.path.exists(path):  # noqa: PTH110  # bytes
            continue
        try:
            worker.open(path, sample_rate=RATE)
            return TakePrint.of(worker.blocks())
        except DecodeError as problem:
            error = problem
    raise error or DecodeError("not here now", code=DecodeCode.UNREADABLE, path=sound.paths[0])


class _Forest:
    """Sets of places that are joined one pair at a time."""

    def __init__(self, n: int) -> None:
        self._above = list(range(n))

    def root(self, place: int) -> int:
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place

    def join(self, one: int, other: int) -> None:
        self._above[self.root(one)] = self.root(other)


class _Takes:
    """Which sounds are one take, as comparisons tell."""

    def __init__(self, sounds: Sequence[HeldSound]) -> None:
        self._sounds = sounds
        self._forest = _Forest(len(sounds))
        self._likeness: dict[tuple[int, int], float] = {}

    def compare(self, pairs: Sequence[tuple[int, int]], heard: dict[int, TakePrint]) -> None:
        """Join those of `pairs` that sound like one take."""
        for left, right in pairs:
            if left not in heard or right not in heard:
                continue
            if self._forest.root(left) == self._forest.root(right):
                continue  # known by way of others
            alike = heard[left].likeness(heard[right])
            if alike >= LEAST_LIKENESS:
                self._forest.join(left, right)
        for place in heard:
            self._likeness |= self._to_best(place, heard)

    def _to_best(self, place: int, heard: dict[int, TakePrint]) -> dict[tuple[int, int], float]:
        root = self._forest.root(place)
        alike = [each for each in heard if self._forest.root(each) == root]
        best = min(alike, key=self._worth)
        if best == place:
            return {}
        return {(best, place): heard[best].likeness(heard[place])}

    def groups(self) -> tuple[DuplicateGroup, ...]:
        """All groups of more than one file."""
        sets: dict[int, list[int]] = {}
        for place in range(len(self._sounds)):
            sets.setdefault(self._forest.root(place), []).append(place)
        found = [
            self._group(sorted(places, key=self._worth))
            for places in sets.values()
            if sum(len(self._sounds[place].paths) for place in places) > 1
        ]
        return tuple(sorted(found, key=lambda each: (-len(each.files), each.files[0].path)))

    def _group(self, places: Sequence[int]) -> DuplicateGroup:
        sounds = [self._sounds[place] for place in places]
        kind = DuplicateKind.NEAR
        if len(sounds) == 1:
            kind = DuplicateKind.IDENTICAL
        elif len({each.form for each in sounds}) > 1:
            kind = DuplicateKind.OTHER_FORMAT
        return DuplicateGroup(
            kind,
            tuple(
                DuplicateFile(path, sound, size, self._likeness.get((places[0], place), 1.0))
                for place, sound in zip(places, sounds, strict=True)
                for path, size in zip(sound.paths, sound.sizes, strict=True)
            ),
        )

    def _worth(self, place: int) -> tuple[bool, int, int, int, int, bytes]:
        """Less for what is worth more."""
        sound = self._sounds[place]
        _, _, rate, channels, bits = sound.form
        return (bits is None, -rate, -(bits or 0), -channels, -max(sound.sizes), sound.paths[0])
