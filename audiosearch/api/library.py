"""An open library for programs: the questions that can be put to it, and what fills it.

A thin front of `audiosearch.library.Library`, which answers: here paths and stretches of sound are
taken and given as Python has them, and callers take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from audiosearch._typing import Floats, Ids
from audiosearch.api.clips import (
    Clip,
    PathArgument,
    Turns,
    absolute_path,
    clip_range,
    clips_of,
    least_of,
    limit_of,
    moment_options,
    read_samples,
    share_of,
    texts_of,
)
from audiosearch.api.exports import ExportingLibrary
from audiosearch.api.model import SoundModel
from audiosearch.api.organising import OrganisedLibrary
from audiosearch.api.results import IndexSummary, LibraryWindow, SearchHits, as_path
from audiosearch.config import load_config
from audiosearch.errors import QueryError, StoreError
from audiosearch.library import Library
from audiosearch.library.lookup import described_windows, library_vectors
from audiosearch.search.clock import clock_filter
from audiosearch.search.filters import Filters
from audiosearch.search.results import LIKE_WEIGHT, Description, LabelFit, TextQuery
from audiosearch.store.database import open_database
from audiosearch.store.vector_cache import VectorKind

SortKey = Literal["duration", "date", "name", "loudness"]


class SoundLibrary(OrganisedLibrary, ExportingLibrary):
    """An open library; made by `audiosearch.open`, closed by `close` or by leaving its `with`.

    Several threads may use it: their calls take turns. Other processes must open their own.
    """

    def __init__(self, library: Library) -> None:
        self._turns = Turns()
        self._library = library
        self._closed = False
        self._models: dict[str, SoundModel] = {}  # by fingerprint

    def __repr__(self) -> str:
        state = "closed" if self._closed else "writable" if self.writable else "read only"
        return f"<SoundLibrary {str(self.path)!r}, {state}>"

    def __enter__(self) -> SoundLibrary:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and of the right to write to it; closing twice is no error.

        What was given out before (hits, matrices, the model) stays good.
        """
        if self._turns.foreign:  # the database belongs to the process that opened it
            return
        with self._turns.taken():
            if not self._closed:
                self._closed = True
                self._library.database.close()

    @property
    def path(self) -> Path:
        """The folder that holds the library."""
        return self._library.database.data_dir

    @property
    def writable(self) -> bool:
        """Whether it was opened for writing."""
        return not self._library.database.read_only

    @property
    def model(self) -> SoundModel:
        """The model that answers: the chosen one, or until that has heard all, the one before.

        Raises:
            BundleError: it is not installed, or damaged.
        """
        with self._open() as library:
            loaded = library.answering
            key = loaded.bundle.fingerprint
            if key not in self._models:
                self._models[key] = SoundModel(
                    loaded, config=library.config.index, turns=self._turns
                )
            return self._models[key]

    def find(
        self,
        text: str,
        *,
        filters: Filters | None = None,
        limit: int | None = None,
        min_score: float | None = None,
        exhaustive: bool = False,
        explain: bool = False,
        sort: SortKey | None = None,
        reverse: bool = False,
        moments: bool = False,
        by_time: bool = False,
        per_file: int | None = None,
        between: str | None = None,
        dates: Sequence[str] = (),
        without: Sequence[str] = (),
        like: Sequence[Clip] = (),
        like_weight: float = LIKE_WEIGHT,
    ) -> SearchHits:
        """The recordings in which the words are heard, or of which they are written, best first.

        Args:
            text: what is heard, in words; their order counts. What must not be heard is written
                "without thunder", "but no thunder" or "-thunder".
            filters: which recordings may answer; None: all.
            limit: most hits; None: as configured.
            min_score: hits below are left out; 0 gives all; None: as configured, or what the model
                advises.
            exhaustive: rerank every window instead of the best candidates (slow).
            explain: tell how much each word counted (`SearchHit.words`).
            sort: the best hits with the longest, newest or loudest first, or by name; None: the
                best first.
            reverse: the other way round; what is not known stays last.
            moments: every moment in which it is heard, from where it begins to where it ends,
                instead of the best stretch of each recording; `limit` None is then all of them.
            by_time: moments in the order of time.
            per_file: moments: the best so many of each recording.
            between: only what was recorded in these hours by the recorder's clock ("22:00-05:00").
            dates: only what was recorded on one of these days by that clock ("2026-05-01",
                "2026-05", "yesterday", "2026-05-01..2026-05-07").
            without: what must not be heard, beside what the text excludes.
            like: sound files, hits or windows that an answer must be like too; of several the mean
                likeness counts. The least score is of both then, as are the scores.
            like_weight: how much `like` counts against the words, 0 to 1.

        Returns:
            The hits, each of another recording unless they are moments, with what there is to be
            said of the answer; none where nothing is a good match.

        Raises:
            DecodeError: a sound of `like` cannot be read.
            QueryError: there is no word in the text, or a filter or limit has no meaning.
            TypeError: `dates`, `without` or `like` is one text.
        """
        query = TextQuery(
            text=text,
            filters=filters or Filters(),
            limit=limit_of(limit),
            min_score=least_of(min_score),
            exhaustive=exhaustive,
            explain=explain,
            sort=sort,
            reverse=reverse,
            moments=moment_options(moments, by_time=by_time, per_file=limit_of(per_file)),
            recorded=clock_filter(between, texts_of(dates)),
            without=tuple(texts_of(without)),
            like=tuple(clip_range(each, start_s=None, end_s=None) for each in clips_of(like)),
            like_weight=share_of(like_weight),
        )
        with self._open() as library:
            return SearchHits.of(library.answer(query))

    def similar(
        self,
        clip: Clip,
        *more: Clip,
        start_s: float | None = None,
        end_s: float | None = None,
        include_self: bool = False,
        filters: Filters | None = None,
        limit: int | None = None,
        min_similarity: float | None = None,
        sort: SortKey | None = None,
        reverse: bool = False,
    ) -> SearchHits:
        """The recordings most like a sound, or several, best first.

        Args:
            clip: a sound file, a hit or a window; it need not be in the library.
            more: further ones; what counts is the mean of the likeness to each.
            start_s: where to begin, in seconds from the start of the file.
            end_s: where to end; None: with the hit, or with the file.
            include_self: whether the sounds themselves may answer, where the library has them.
            filters: which recordings may answer; None: all.
            limit: most hits; None: as configured.
            min_similarity: hits below are left out, -1 to 1; None: none are.
            sort: as for `find`.
            reverse: as for `find`.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, silent, shorter than `start_s`, or a filter has no meaning.
        """
        if more and (start_s, end_s) != (None, None):
            raise QueryError("a part of which sound?", remedy="give hits or windows for parts")
        part = clip_range(clip, start_s=start_s, end_s=end_s)
        others = [clip_range(each, start_s=None, end_s=None) for each in more]
        with self._open() as library:
            return SearchHits.of(
                library.similar(
                    part,
                    *others,
                    include_self=include_self,
                    filters=filters,
                    limit=limit_of(limit),
                    min_similarity=least_of(min_similarity),
                    sort=sort,
                    reverse=reverse,
                )
            )

    def describe(
        self,
        clip: Clip,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        limit: int = 5,
        explain: bool = False,
    ) -> list[Description]:
        """What is heard in a sound, window by window.

        Args:
            clip: a sound file, a hit or a window; it need not be in the library.
            start_s: where to begin, in seconds from the start of the file.
            end_s: where to end; None: with the hit, or with the file.
            limit: most stored captions of a window; 0: the model's own sentence alone.
            explain: tell how much each word counted (`CaptionFit.words`).

        Returns:
            Windows in the order of time, each with captions: the model's own sentence (rank 0),
            then the stored ones that fit best. A silent window has none.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, or shorter than `start_s`.
        """
        if limit < 0:
            raise QueryError(f"limit must be 0 or more, not {limit}")
        part = clip_range(clip, start_s=start_s, end_s=end_s)
        with self._open() as library:
            _, found = library.describe(part, limit=limit, explain=explain)
            return list(found)

    def label(
        self,
        clip: Clip,
        labels: Sequence[str],
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> list[LabelFit]:
        """How well labels fit a sound, best first; any words are labels, none needs training.

        Args:
            clip: a sound file, a hit or a window; it need not be in the library.
            labels: words or a few of them each, such as `"dog"` or `"dog barking"`.
            start_s: where to begin, in seconds from the start of the file.
            end_s: where to end; None: with the hit, or with the file.

        Returns:
            Every label with the window in which it fits best; nothing for silence.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, shorter than `start_s`, or there is no label.
            TypeError: `labels` is one text.
        """
        wanted = texts_of(labels)
        part = clip_range(clip, start_s=start_s, end_s=end_s)
        with self._open() as library:
            return library.label(part, wanted)[1]

    def read(
        self,
        clip: Clip,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        sample_rate: int | None = None,
    ) -> tuple[Floats, int]:
        """The sound of a hit, or of any file, decoded in a process of its own.

        A stretch far into a long file takes as long as what comes before it takes to decode.

        Args:
            clip: a hit, a window or a sound file; it need not be in the library.
            start_s: where to begin, in seconds from the start of the file.
            end_s: where to end; None: with the hit, or with the file.
            sample_rate: Hz; None: the file's own.

        Returns:
            Samples (n,) float32, channels mixed to one, about -1 to 1, and their rate in Hz.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, shorter than `start_s`, or there is no such rate.
        """
        part = clip_range(clip, start_s=start_s, end_s=end_s)
        with self._open() as library:
            config = library.config.index
        return read_samples(part, sample_rate=sample_rate, config=config)

    def embeddings(self, kind: Literal["embedding", "joint"] = "embedding") -> tuple[Ids, Floats]:
        """The vectors of all windows that are not silent, as `model` heard them.

        Args:
            kind: `embedding`, for the likeness of sounds; `joint`, in the space that text and sound
                share (`SoundModel.embed_text`).

        Returns:
            Ids of windows (n,) int64, ascending, and unit rows (n, E) or (n, J) float32, not
            writable; from 5,000 windows on they are mapped into memory, from a file that the
            library keeps. `windows` tells what the ids stand for.

        Raises:
            FeatureUnavailable: the model has no joint space.
            QueryError: there is no such kind.
        """
        if kind not in ("embedding", "joint"):
            raise QueryError(f"there are no vectors {kind!r}", remedy="embedding or joint")
        with self._open() as library:
            bundle = library.answering.bundle
            table = library_vectors(library.database, bundle, VectorKind(kind))
        if table is None:
            dim = bundle.joint_dim if kind == "joint" else bundle.embedding_dim
            ids, matrix = np.zeros(0, np.int64), np.zeros((0, dim), np.float32)
        else:
            ids, matrix = table.ids.view(), table.matrix.view()
        ids.flags.writeable = matrix.flags.writeable = False
        return ids, matrix

    def windows(self, window_ids: Iterable[int] | Ids) -> list[LibraryWindow]:
        """What windows are: file, stretch and caption.

        Args:
            window_ids: as `embeddings` and hits have them.

        Returns:
            In the order asked for; ids that the library does not know (any more) are left out.
        """
        wanted = [int(each) for each in window_ids]
        with self._open() as library:
            found = described_windows(library.database, wanted)
        return [
            LibraryWindow(
                window_id=each.place.window_id,
                recording_id=each.place.recording_id,
                path=None if each.path is None else as_path(each.path),
                start_s=each.place.start_s,
                end_s=each.place.end_s,
                duration_s=each.place.duration_s,
                caption=each.caption,
            )
            for each in found
        ]

    def index(
        self,
        paths: PathArgument | Iterable[PathArgument] = (),
        *,
        accept_missing: bool = False,
    ) -> IndexSummary:
        """Take in what is new or changed in folders; without any, in all folders of the library.

        One bad file never ends a run: it is counted as failed and named by `audiosearch failed`.
        Interrupting is safe; the next run goes on from there.

        Args:
            paths: folders, which become part of the library, or files that lie in one.
            accept_missing: take files for missing also where more than half of a folder is gone.

        Raises:
            AudiosearchError: a path is not there, or a file in no folder of the library.
            StoreError: the library was opened for reading only, or cannot be written to.
            BundleError: the model cannot be used.
        """
        given = [paths] if isinstance(paths, (str, bytes, PathLike)) else list(paths)
        places = [as_path(absolute_path(path)) for path in given]
        with self._open(to_write=True) as library:
            return IndexSummary.of(library.index(places, accept_missing=accept_missing))

    def add_caption(
        self,
        text: str,
        *,
        clip: Clip | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> bool:
        """Write down a caption: for a file of the library or a part of it, or for none.

        Args:
            text: a sentence; kept as it is typed.
            clip: a file of the library, a hit or a window; None: a sentence for any sound.
            start_s: where to begin, in seconds from the start of the file.
            end_s: where to end; None: with the hit, or with the file.

        Returns:
            Whether the library did not have the sentence before, from anybody.

        Raises:
            QueryError: there is no word in it, or the file is not in the library.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        part = None if clip is None else clip_range(clip, start_s=start_s, end_s=end_s)
        if part is None and (start_s, end_s) != (None, None):
            raise QueryError("a part of which sound?", remedy="name it: clip=...")
        with self._open(to_write=True) as library:
            return library.add_caption(text, clip=part).n_new > 0

    @contextmanager
    def _open(self, *, to_write: bool = False) -> Iterator[Library]:
        """The library, for one caller at a time."""
        with self._turns.taken():
            if self._closed:
                raise StoreError("the library is closed", path=self.path)
            if to_write and not self.writable:
                raise StoreError(
                    "the library was opened for reading only",
                    path=self.path,
                    remedy="audiosearch.open(..., writable=True)",
                )
            yield self._library


def open(  # noqa: A001  # as gzip.open, wave.open
    path: str | PathLike[str] | None = None, *, writable: bool = False
) -> SoundLibrary:
    """A library, by default the one that the commands use, for reading only.

    Models and the database's tables are loaded when they are first needed. Settings are those of
    the commands: the settings file and `AUDIOSEARCH_...` in the environment.

    Args:
        path: the folder of the library; None: as configured.
        writable: also fill it and write to it; a library that is not there is made. Others can
            read it meanwhile, but nobody else can write to it until it is closed.

    Raises:
        StoreError: there is none, or it cannot be opened.
        LibraryLocked: `writable`, and another process is writing to it.
        LibraryCorrupt: it is damaged.
        SchemaTooNew: it was written by a later version of audiosearch.
        ConfigError: the settings cannot be read.
    """
    config = load_config()
    if path is not None:
        config = replace(config, data_dir=as_path(absolute_path(path)))
    if config.data_dir.exists() and not config.data_dir.is_dir():
        raise StoreError("a file, not the folder of a library", path=config.data_dir)
    database = open_database(
        config.database, read_only=not writable, store=config.store, user=config.user.name
    )
    return SoundLibrary(Library(config, database, keeps_derived=writable))
