"""A library of a data set's clips, to try the real search on.

Clips go by neutral names: the name of a file in a labelled folder would give the answer away to
full-text search. What metadata says inside the files stays.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import select

from audiosearch._typing import Ints
from audiosearch.config import Config
from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.encode import HOP, EncodedDataset
from audiosearch.evaluation.work_folder import StageProgress, WorkFolder
from audiosearch.library import Library, open_library
from audiosearch.library.captions import NewCaption, add
from audiosearch.model.loaded import Model
from audiosearch.search.candidates import likely_windows
from audiosearch.search.filters import Filters
from audiosearch.search.query import parse_query
from audiosearch.search.results import TextQuery
from audiosearch.search.snapshot import SnapshotCache, open_snapshot
from audiosearch.store.queries.search import window_places
from audiosearch.store.schema import CaptionSource, SoundFile

NEVER_FOLD = 2.0  # above any cosine: near-duplicates are different answers here


@dataclass(frozen=True)
class EvaluationLibrary:
    """An open library of clips.

    Attributes:
        clips_of: recording id -> places of the clips with that sound.
        paths: the file of each clip in the library.
    """

    library: Library
    model: Model
    clips_of: Mapping[int, tuple[int, ...]]
    paths: Sequence[Path]

    def found(self, text: str, *, limit: int) -> list[int]:
        """Places of the clips that the engine answers `text` with, best first."""
        return [clip for clip, _ in self.scored(text, limit=limit)]

    def scored(self, text: str, *, limit: int) -> list[tuple[int, float]]:
        """The same places, each with the score that it is shown with."""
        query = TextQuery(text=text, limit=limit, min_score=0.0)
        hits = self.library.engine.find(query).hits
        return [
            (clip, hit.score or 0.0) for hit in hits for clip in self.clips_of[hit.recording_id]
        ]

    def described(self, clip: int, *, limit: int) -> list[str]:
        """The stored captions that `describe` gives a clip, best first, over all its windows."""
        _, windows = self.library.describe(str(self.paths[clip]), limit=limit)
        fits = [fit for window in windows for fit in window.captions if fit.rank]
        # As `describe` folds windows: by rank first, since what ranks captions of one window is
        # comparable in no simpler way.
        fits.sort(key=lambda fit: (fit.rank, -fit.score))
        return list(dict.fromkeys(fit.text for fit in fits))

    def shortlists(
        self, texts: Sequence[str], *, limit: int, encoded: EncodedDataset, progress: StageProgress
    ) -> list[Ints]:
        """For each text the windows, as rows of `encoded`, that the candidate step would rerank."""
        rows = {
            (int(clip), round(float(start_s), 3)): row
            for row, (clip, start_s) in enumerate(
                zip(encoded.owners, encoded.starts_s, strict=True)
            )
        }
        cache = SnapshotCache(bundle=self.model.bundle, cache_dir=self.library.database.vectors_dir)
        lists: list[Ints] = []
        with self.library.database.reading() as session:
            snapshot = open_snapshot(session, Filters(), bundle=self.model.bundle, cache=cache)
            if snapshot is None:
                raise DatasetError("no clip could be indexed")
            for text in texts:
                parsed = parse_query(text, scorer=self.model.scorer, tower=self.model.tower)
                ids = likely_windows(snapshot, parsed, limit=limit)
                places = window_places(session, ids.tolist())
                chosen = [
                    rows[clip, round(places[i].start_s, 3)]
                    for i in ids.tolist()
                    for clip in self.clips_of[places[i].recording_id]
                ]
                lists.append(np.array(chosen, dtype=np.int64))
                progress.advance(1)
        return lists


@contextmanager
def evaluation_library(
    clips: Sequence[DatasetClip],
    *,
    model: Model,
    config: Config,
    work: WorkFolder,
    progress: StageProgress,
    captions: Sequence[str] | None = None,
) -> Iterator[EvaluationLibrary]:
    """The library of `clips`, indexed as far as it was not by an earlier run.

    For search by text it holds the model's own captions, as a user's does; for describing, the
    captions of the data set alone, which are what is looked for.

    Args:
        clips: what it holds.
        model: the model that hears them.
        config: the user's settings.
        work: where it lies.
        progress: who watches.
        captions: the captions that it holds; None: what the model says of the clips.

    Raises:
        DatasetError: clips cannot be indexed; the message names them.
        StoreError: its database cannot be written.
    """
    keys = [f"{clip.path.absolute()} {clip.path.stat().st_mtime_ns}" for clip in clips]
    given = [] if captions is None else ["captions", *captions]
    folder = work.part("library", model.bundle.fingerprint, *keys, *given)
    paths = _link(clips, folder / "sounds")
    settings = _settings(config, model, folder, captioned=captions is None)
    with open_library(settings, writable=True) as library:
        progress.start("indexing", total=len(clips))
        report = library.index([folder / "sounds"], progress=_Indexing(progress))
        if report.interrupted:
            raise KeyboardInterrupt
        clips_of = _clips_of(library, paths, clips)
        if captions is not None:
            add(
                library.database,
                [NewCaption(text) for text in captions],
                source=CaptionSource.IMPORT,
                bundle=model.bundle,
                tower=model.tower,
            )
    with open_library(settings) as library:
        yield EvaluationLibrary(library, model, clips_of, paths)


def _link(clips: Sequence[DatasetClip], folder: Path) -> list[Path]:
    """Links to the clips under neutral names, in their order."""
    folder.mkdir(exist_ok=True)
    paths = []
    for place, clip in enumerate(clips):
        link = folder / f"clip-{place:06d}{clip.path.suffix.lower()}"
        paths.append(link)
        if not link.exists():
            link.unlink(missing_ok=True)  # a link to what was there once
            try:
                link.symlink_to(clip.path.absolute())
            except OSError:  # Windows lets few users make links
                shutil.copyfile(clip.path, link)
    return paths


def _settings(config: Config, model: Model, folder: Path, *, captioned: bool) -> Config:
    return replace(
        config,
        data_dir=folder / "data",
        model=replace(config.model, bundle=str(model.bundle.path.absolute())),
        index=replace(config.index, hop=HOP, captions=captioned, follow_symlinks=True, exclude=()),
        search=replace(
            config.search, exhaustive_below=0, min_score=0.0, fold_similarity=NEVER_FOLD
        ),
    )


def _clips_of(
    library: Library, paths: Sequence[Path], clips: Sequence[DatasetClip]
) -> dict[int, tuple[int, ...]]:
    """Recording id -> clips; every clip must have one."""
    places = {os.fsencode(path.name): place for place, path in enumerate(paths)}
    clips_of: dict[int, list[int]] = defaultdict(list)
    with library.database.reading() as session:
        wanted = select(SoundFile.path, SoundFile.recording_id, SoundFile.error_text)
        for path, recording_id, error_text in session.execute(wanted.order_by(SoundFile.path)):
            if path in places and error_text is not None:
                raise DatasetError(error_text, path=clips[places[path]].path)
            if path in places and recording_id is not None:
                clips_of[recording_id].append(places[path])
    return {recording_id: tuple(found) for recording_id, found in clips_of.items()}


class _Indexing:
    """The pipeline's progress, passed on."""

    def __init__(self, progress: StageProgress) -> None:
        self._progress = progress
        self._n = 0

    def start(self, n_files: int) -> None:
        """See `indexing.types.Progress`."""

    def advance(
        self, *, n_files: int, under_way: float, seconds: float, rate: float, n_failed: int
    ) -> None:
        """See `indexing.types.Progress`."""
        self._progress.advance(n_files - self._n)
        self._n = n_files

    def warn(self, message: str) -> None:
        """Failures are looked up when all is done."""
