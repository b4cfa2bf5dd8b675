"""What a library answers: find, similar, describe, label, with the model that has heard most of it.

Parts are loaded when they are first needed: a text query loads no encoder and no audio decoder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from audiosearch._failpoints import failpoint
from audiosearch.audio.clip import ClipRange, absolute, parse_clip
from audiosearch.config import Config
from audiosearch.errors import StoreError
from audiosearch.library.model_selection import ModelChoice
from audiosearch.model.bundle import Bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.loaded import Model
from audiosearch.search.engine import SearchEngine
from audiosearch.search.filters import Filters
from audiosearch.search.results import (
    Description,
    EncodedWindow,
    FindResult,
    LabelFit,
    RecordingPart,
    SoundQuery,
    TextQuery,
)
from audiosearch.store.database import Database, open_database

if TYPE_CHECKING:
    from audiosearch.library.clips import Example
    from audiosearch.search.describe import Derived
    from audiosearch.search.normalise import Normalise
    from audiosearch.store.identity import LibraryIdentity

log = logging.getLogger(__name__)


class Answers:
    """The questions that can be put to an open library; `Library` adds what fills it."""

    def __init__(self, config: Config, database: Database, *, keeps_derived: bool = True) -> None:
        """Answer from `database`.

        `keeps_derived`: whether `keep_derived` may write, though the library be opened for reading.
        """
        self.config = config
        self.database = database
        self._keeps_derived = keeps_derived
        self._models = ModelChoice(config, database)
        self._engines: dict[str, SearchEngine] = {}  # by fingerprint

    @property
    def chosen(self) -> Model:
        """The model that the settings name; see `ModelChoice.chosen`."""
        return self._models.chosen

    @property
    def answering(self) -> Model:
        """The model that queries are answered with; see `ModelChoice.answering`."""
        return self._models.answering

    @property
    def notice(self) -> str | None:
        """Why another model than the chosen one answered last; None where the chosen one did."""
        return self._models.notice

    @property
    def bundle(self) -> Bundle:
        """The bundle of the chosen model."""
        return self.chosen.bundle

    @property
    def decoder(self) -> Decoder:
        """What judges the words of queries."""
        return self.answering.decoder

    @property
    def engine(self) -> SearchEngine:
        """What answers queries."""
        model = self.answering
        engine = self._engines.get(model.bundle.fingerprint)
        if engine is None:
            engine = SearchEngine(
                database=self.database,
                bundle=model.bundle,
                decoder=model.decoder,
                tower=model.tower,
                config=self.config.search,
            )
            self._engines[model.bundle.fingerprint] = engine
        return engine

    def find(
        self,
        text: str,
        *,
        filters: Filters | None = None,
        limit: int | None = None,
        min_score: float | None = None,
        exhaustive: bool = False,
        explain: bool = False,
        sort: str | None = None,
        reverse: bool = False,
    ) -> FindResult:
        """The recordings in which the words are heard, best first; see `TextQuery`.

        Raises:
            QueryError: there is no word in the text, or a filter has no meaning here.
        """
        return self.answer(
            TextQuery(
                text=text,
                filters=filters or Filters(),
                limit=limit,
                min_score=min_score,
                exhaustive=exhaustive,
                explain=explain,
                sort=sort,
                reverse=reverse,
            )
        )

    def answer(self, query: TextQuery) -> FindResult:
        """The answer to a query by words, and by the sounds that it names beside them.

        Raises:
            DecodeError: such a sound cannot be read.
            QueryError: it is not there or silent, there is no word in the text, or a filter has no
                meaning here.
        """
        examples = [self._example(part) for part in query.like]
        like = [x.embeddings if x.joints is None else x.joints for x in examples]
        return self.engine.find(query, like=like)

    def similar(
        self,
        clip: str | ClipRange,
        *more: str | ClipRange,
        include_self: bool = True,
        filters: Filters | None = None,
        limit: int | None = None,
        min_similarity: float | None = None,
        sort: str | None = None,
        reverse: bool = False,
    ) -> FindResult:
        """The recordings most like a file, or a part of one (`FILE@START-END`), or several.

        Args:
            clip: a sound.
            more: further sounds; what counts is the mean of the likeness to each.
            include_self: whether these sounds themselves may answer, where the library has them.
            filters: which recordings may answer; None: all.
            limit: most hits; None: as configured.
            min_similarity: hits below are left out; None: none are.
            sort: one of `order.SORT_KEYS`; None: the best first.
            reverse: the other way round.

        Raises:
            DecodeError: a file cannot be read.
            QueryError: it is not there, or there is nothing to hear in that part.
        """
        parts = [x if isinstance(x, ClipRange) else parse_clip(x) for x in (clip, *more)]
        examples = [self._example(part) for part in parts]
        left_out: tuple[RecordingPart, ...] = ()
        if not include_self:
            left_out = tuple(self._parts(zip(parts, examples, strict=True)))
        return self.engine.similar(
            SoundQuery(
                embeddings=examples[0].embeddings,
                others=tuple(each.embeddings for each in examples[1:]),
                left_out=left_out,
                filters=filters or Filters(),
                limit=limit,
                min_similarity=min_similarity,
                sort=sort,
                reverse=reverse,
            )
        )

    def describe(
        self,
        clip: str | ClipRange,
        *,
        limit: int,
        normalise: str | None = None,
        explain: bool = False,
    ) -> tuple[bytes, Iterator[Description]]:
        """The absolute path of a file, or of a part of one, and what is heard in its windows.

        Descriptions come while the file is being read. What the library has heard of the file is
        not decoded again.

        Args:
            clip: a file, or `FILE@START-END`.
            limit: most stored captions of a window.
            normalise: what ranks them (`search.normalise.Normalise`); None: as configured.
            explain: tell how much each word counted.

        Raises:
            DecodeError: the file cannot be read (while iterating).
            QueryError: it is not there, or the part lies beyond its end.
        """
        from audiosearch.search.normalise import Normalise  # noqa: PLC0415

        part = clip if isinstance(clip, ClipRange) else parse_clip(clip)
        how = None if normalise is None else Normalise(normalise)
        described = (
            description
            for heard in self._hear(part)
            for description in self._describe(heard, limit=limit, how=how, explain=explain)
        )
        return absolute(os.fsdecode(part.path)), self._with_meanings(described)

    def _with_meanings(self, described: Iterator[Description]) -> Iterator[Description]:
        # Not before the first is asked for: until then no model need be loaded.
        yield from self.engine.with_meanings(described)

    def _describe(
        self, heard: EncodedWindow, *, limit: int, how: Normalise | None, explain: bool
    ) -> list[Description]:
        found = self.engine.describe([heard], limit=limit, normalise=how, explain=explain)
        self.keep_derived()
        return found

    def label(
        self, clip: str | ClipRange, labels: Sequence[str], *, normalise: str | None = None
    ) -> tuple[bytes, list[LabelFit]]:
        """The absolute path of a file, or of a part of one, and labels for it, best first.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, the part lies beyond its end, or there is no label.
        """
        from audiosearch.search.normalise import Normalise  # noqa: PLC0415
        from audiosearch.search.zero_shot import parse_labels  # noqa: PLC0415

        part = clip if isinstance(clip, ClipRange) else parse_clip(clip)
        how = None if normalise is None else Normalise(normalise)
        fits = self.engine.label(list(self._hear(part)), parse_labels(labels), normalise=how)
        self.keep_derived()
        return absolute(os.fsdecode(part.path)), fits

    def keep_derived(self) -> int:
        """Keep what answers computed so far; returns how many scales of captions it kept.

        The one step by which answering changes the database. Nothing is kept where somebody else
        is writing at this moment, nothing can be written, or this library is not to
        (`keeps_derived`); whoever needs it next computes it again.
        """
        derived = [engine.take_derived() for engine in self._engines.values()]
        return sum(keep(self.database, each) for each in derived) if self._keeps_derived else 0

    def _example(self, part: ClipRange) -> Example:
        from audiosearch.library.clips import hear_example  # noqa: PLC0415

        return hear_example(part, model=self.answering, config=self.config.index)

    def _parts(self, sounds: Iterable[tuple[ClipRange, Example]]) -> Iterator[RecordingPart]:
        """What parts of files are in the library, as parts of its recordings."""
        from audiosearch.store.queries.file_details import find_recording  # noqa: PLC0415

        with self.database.reading() as session:
            for part, example in sounds:
                recording_id = find_recording(session, example.audio_hash)
                if recording_id is not None:
                    yield RecordingPart(
                        recording_id=recording_id, start_s=part.start_s, end_s=part.end_s
                    )

    def _hear(self, part: ClipRange) -> Iterator[EncodedWindow]:
        from audiosearch.library.clips import hear  # noqa: PLC0415

        return hear(part, database=self.database, model=self.answering, config=self.config.index)


def keep(database: Database, derived: Derived) -> int:
    """Write down what answers computed, if nobody else is writing; returns how many scales."""
    if not derived.scales and not any(derived.vectors.values()):
        return 0
    from audiosearch.store.queries.caption_stats import write_scales  # noqa: PLC0415
    from audiosearch.store.queries.captions import keep_caption_vectors  # noqa: PLC0415

    n_scales = 0
    try:
        with database.spare() as session:
            if session is None:
                return 0
            for bundle_id, vectors in derived.vectors.items():
                keep_caption_vectors(session, vectors, bundle_id=bundle_id)
            for bundle_id, scales in derived.scales.items():
                n_scales += write_scales(session, scales, bundle_id=bundle_id)
            failpoint("scale.commit")
        failpoint("scale.done")
    except StoreError as error:  # a full disk, say: an answer can do without
        log.info("what was computed for captions is not kept: %s", error)
        return 0
    return n_scales


@contextmanager
def open_answers(config: Config) -> Iterator[Answers]:
    """What answers from the library that `config` speaks of, made if there is none.

    Raises:
        StoreError: it is damaged, of a later version, or cannot be opened.
    """
    with reading_database(config) as database:
        yield Answers(config, database)


def reading_database(config: Config, *, expected: LibraryIdentity | None = None) -> Database:
    """The database of a library opened for reading, made if there is none; see `open_database`."""
    if expected is None and not config.store.url and not config.database.exists():
        open_database(config.database).close()
    return open_database(
        config.database,
        read_only=True,
        expected=expected,
        store=config.store,
        user=config.user.name,
    )
