"""The library as a whole: where configuration, store, model, indexing and search meet.

`open_library(config)` gives a `Library`; the commands, evaluation and other programs talk to that.
Parts are loaded when they are first needed: a text query loads no encoder and no audio decoder.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiosearch.config import Config
from audiosearch.errors import AudiosearchError, BundleError, QueryError
from audiosearch.model.bundle import Bundle, find_bundle, list_bundles, load_bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded
from audiosearch.model.loaded import LoadedModel
from audiosearch.model.runtime import RuntimeOptions
from audiosearch.model.text import normalise as normalise_text
from audiosearch.resources import bundled_models_path
from audiosearch.search.clip import ClipRange, parse_clip
from audiosearch.search.collection import Added, NewCaption, add, read_captions
from audiosearch.search.engine import SearchEngine
from audiosearch.search.filters import Filters
from audiosearch.search.labels import parse_labels
from audiosearch.search.normalise import Normalise
from audiosearch.search.results import (
    Description,
    FindResult,
    Heard,
    LabelFit,
    SoundQuery,
    TextQuery,
)
from audiosearch.store.database import Database, database_size, open_database
from audiosearch.store.queries import captions, files, roots
from audiosearch.store.queries.captions import StoredCaption
from audiosearch.store.queries.coverage import BundleAhead, bundles_ahead
from audiosearch.store.queries.encodings import find_bundle_id
from audiosearch.store.queries.files import FailedFile
from audiosearch.store.queries.heard import StoredWindow, find_file, stored_windows
from audiosearch.store.queries.places import Place, join
from audiosearch.store.queries.roots import RootSummary
from audiosearch.store.queries.status import LibraryStatus, library_status
from audiosearch.store.schema import CaptionSource

if TYPE_CHECKING:  # what only some commands need is imported where it is used
    from audiosearch.indexing.clips import HeardWindow
    from audiosearch.indexing.interfaces import IndexReport, Models, Progress
    from audiosearch.store.verify import Violation

log = logging.getLogger(__name__)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a library is: its numbers, its place on the disk, its model."""

    counts: LibraryStatus
    database: Path
    database_bytes: int
    model_name: str
    model_version: str
    provider: str  # what the decoder really runs on, in ONNX Runtime's words
    note: str | None  # why that is not what was asked for


class Library:
    """An open library; made by `open_library`, closed by leaving its `with` block."""

    def __init__(self, config: Config, database: Database) -> None:
        self.config = config
        self.database = database
        self._options = RuntimeOptions(device=config.model.device, threads=config.model.threads)
        self._others: dict[str, LoadedModel | None] = {}  # by fingerprint, as the engines
        self._engines: dict[str, SearchEngine] = {}

    @cached_property
    def chosen(self) -> LoadedModel:
        """The model that the settings name, checked: it hears new sounds.

        Raises:
            BundleError: there is none of that name, or it is damaged.
            FeatureUnavailable: it has no such task as the settings name.
        """
        bundle = load_bundle(find_model(self.config, self.config.model.bundle))
        return LoadedModel(bundle.for_task(self.config.model.task), options=self._options)

    @property
    def answering(self) -> LoadedModel:
        """The model that queries are answered with.

        That is the chosen one, once it has heard what any other has; until then the other one,
        as long as that is still installed.
        """
        with self.database.reading() as session:
            ahead = bundles_ahead(session, of=self.chosen.bundle.fingerprint)
        for other in ahead:
            if other.fingerprint not in self._others:
                self._others[other.fingerprint] = self._installed(other)
            found = self._others[other.fingerprint]
            if found is not None:
                return found
        return self.chosen

    def _installed(self, other: BundleAhead) -> LoadedModel | None:
        """A model that is ahead of the chosen one; None where it is no longer there."""
        try:
            bundle = load_bundle(find_model(self.config, other.name))
        except BundleError:
            return None
        if bundle.fingerprint != other.fingerprint:
            return None
        log.warning(
            "answers come from %s until %s has heard all sounds (%d to go): audiosearch index",
            other.name,
            self.chosen.bundle.name,
            other.n_recordings,
        )
        return LoadedModel(bundle, options=self._options)

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

    def index(
        self,
        paths: Sequence[Path] = (),
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        accept_missing: bool = False,
    ) -> IndexReport:
        """Take in what is new or changed below `paths`, which become roots; all roots without any.

        Raises:
            AudiosearchError: a path is no folder or file; there are no roots yet.
            StoreError: the library cannot be written to.
            BundleError: the model cannot be used.
        """
        from audiosearch.indexing.pipeline import index  # noqa: PLC0415

        bundle = self.bundle  # an unusable model is said before anything is looked at
        return index(
            self.database,
            places=self._places(paths),
            bundle=bundle,
            load_models=self._models,
            config=self.config.index,
            progress=progress,
            stop=stop,
            accept_missing=accept_missing,
        )

    def _places(self, paths: Sequence[Path]) -> list[Place]:
        folders = [_absolute(path) for path in paths]
        for path in folders:
            if not os.path.isdir(path):  # noqa: PTH112  # bytes, which pathlib does not keep
                raise AudiosearchError(
                    "no such folder", path=path, remedy="give folders: audiosearch index FOLDER"
                )
        with self.database.session() as session:
            places = roots.add_roots(session, folders)
            if not paths:
                places = [Place(root=root, under=b"") for root in roots.list_roots(session)]
        if not places:
            raise AudiosearchError(
                "no folder was ever indexed", remedy="give one: audiosearch index ~/sounds"
            )
        return places

    def _models(self) -> Models:
        from audiosearch.indexing.interfaces import Models  # noqa: PLC0415
        from audiosearch.model.caption import Captioner  # noqa: PLC0415

        model = self.chosen
        return Models(
            encoder=model.encoder,
            captioner=Captioner(model.decoder) if self.config.index.captions else None,
            embed_texts=None if model.tower is None else model.tower.embed,
        )

    def find(
        self,
        text: str,
        *,
        filters: Filters | None = None,
        limit: int | None = None,
        min_score: float | None = None,
        exhaustive: bool = False,
        explain: bool = False,
    ) -> FindResult:
        """The recordings in which the words are heard, best first; see `TextQuery`.

        Raises:
            QueryError: there is no word in the text, or a filter has no meaning here.
        """
        return self.engine.find(
            TextQuery(
                text=text,
                filters=filters or Filters(),
                limit=limit,
                min_score=min_score,
                exhaustive=exhaustive,
                explain=explain,
            )
        )

    def similar(
        self,
        clip: str,
        *,
        filters: Filters | None = None,
        limit: int | None = None,
        min_similarity: float | None = None,
    ) -> FindResult:
        """The recordings most like a file, or a part of one (`FILE@START-END`).

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, or there is nothing to hear in that part.
        """
        part = parse_clip(clip)
        heard = [window.encoded for window in self._listen(part) if window.encoded is not None]
        if not heard:
            raise QueryError("there is only silence to compare with", path=part.path)
        return self.engine.similar(
            SoundQuery(
                embeddings=np.stack([encoded.embedding for encoded in heard]),
                filters=filters or Filters(),
                limit=limit,
                min_similarity=min_similarity,
            )
        )

    def describe(
        self,
        clip: str,
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
        part = parse_clip(clip)
        how = None if normalise is None else Normalise(normalise)
        return _absolute(os.fsdecode(part.path)), (
            description
            for heard in self._hear(part)
            for description in self.engine.describe(
                [heard], limit=limit, normalise=how, explain=explain
            )
        )

    def label(
        self, clip: str, labels: Sequence[str], *, normalise: str | None = None
    ) -> tuple[bytes, list[LabelFit]]:
        """The absolute path of a file, or of a part of one, and labels for it, best first.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, the part lies beyond its end, or there is no label.
        """
        part = parse_clip(clip)
        how = None if normalise is None else Normalise(normalise)
        fits = self.engine.label(list(self._hear(part)), parse_labels(labels), normalise=how)
        return _absolute(os.fsdecode(part.path)), fits

    def sound_files(self, place: str) -> list[str]:
        """The sound files below a folder, in the order of their paths, as indexing sees them."""
        from audiosearch.indexing.scan import walk  # noqa: PLC0415

        root = _absolute(place)
        found = walk(
            root,
            follow_symlinks=self.config.index.follow_symlinks,
            exclude=self.config.index.exclude,
            on_problem=lambda problem: log.warning("%s", problem.reason),
        )
        return [os.fsdecode(join(root, each.path)) for each in found]

    def _hear(self, part: ClipRange) -> Iterator[Heard]:
        """The windows of a part of a file: out of the library, or else decoded."""
        stored = self._stored(part)
        if stored is not None:
            yield from stored
            return
        for window in self._listen(part):
            yield Heard(start_s=window.start_s, end_s=window.end_s, encoded=window.encoded)

    def _stored(self, part: ClipRange) -> list[Heard] | None:
        """What the library has heard of a whole file that has not changed since; None if nothing.

        A part of a file is heard anew, since its windows begin where it begins.
        """
        path = _absolute(os.fsdecode(part.path))
        if part.start_s > 0 or part.end_s is not None:
            return None
        bundle = self.answering.bundle
        with self.database.reading() as session:
            file = find_file(session, path)
            status = os.stat(path)  # noqa: PTH116  # bytes, which pathlib does not keep
            bundle_id = find_bundle_id(session, fingerprint=bundle.fingerprint)
            if file is None or bundle_id is None:
                return None
            if (file.size, file.mtime_ns) != (status.st_size, status.st_mtime_ns):
                return None
            windows = stored_windows(
                session,
                file.recording_id,
                bundle_id=bundle_id,
                dim=bundle.frame_dim,
                hop_s=self.config.index.hop * bundle.window_s,
            )
        return None if windows is None else [_heard(window) for window in windows]

    def _listen(self, part: ClipRange) -> Iterator[HeardWindow]:
        from audiosearch.indexing.clips import listen  # noqa: PLC0415

        return listen(
            part.path,
            start_s=part.start_s,
            end_s=part.end_s,
            encoder=self.answering.encoder,
            config=self.config.index,
        )

    def status(self) -> Status:
        """The library in numbers, and what its model really runs on."""
        with self.database.reading() as session:
            counts = library_status(session)
        device = self.chosen.decoder.device
        return Status(
            counts=counts,
            database=self.database.path,
            database_bytes=database_size(self.database.path),
            model_name=self.bundle.name,
            model_version=self.bundle.version,
            provider=device.provider,
            note=device.note,
        )

    def failed(self) -> list[FailedFile]:
        """The files that could not be read."""
        with self.database.reading() as session:
            return files.failed_files(session)

    def retry_failed(self) -> int:
        """Have the next run of `index` try failed files again; returns how many."""
        with self.database.session() as session:
            return files.retry_failed(session)

    def roots(self) -> list[RootSummary]:
        """The folders of the library."""
        with self.database.reading() as session:
            return roots.summarise_roots(session)

    def remove_root(self, folder: Path) -> int:
        """Forget a folder and its files; returns how many there were. Recordings are kept.

        Raises:
            AudiosearchError: it is no folder of the library.
        """
        path = _absolute(folder)
        with self.database.session() as session:
            for root in roots.list_roots(session):
                if root.path == path:
                    return roots.remove_root(session, root.root_id)
        raise AudiosearchError(
            "no folder of the library", path=path, remedy="audiosearch roots list"
        )

    def captions(
        self, *, source: str | None = None, limit: int | None = None, words: str | None = None
    ) -> list[StoredCaption]:
        """The stored captions, those said of most windows first; with `words`, those that match."""
        wanted = None if source is None else CaptionSource(source)
        with self.database.reading() as session:
            return captions.list_captions(session, source=wanted, limit=limit, words=words)

    def add_caption(self, text: str, *, clip: str | None = None) -> Added:
        """Write down a caption, for a file of the library or a part of it, or for none.

        Raises:
            QueryError: there is no word in it, or the file is not in the library.
        """
        part = None
        if clip is not None:
            given = parse_clip(clip)
            part = replace(given, path=_absolute(os.fsdecode(given.path)))
            with self.database.reading() as session:
                if find_file(session, part.path) is None:
                    raise QueryError(
                        "not in the library", path=part.path, remedy="audiosearch index its folder"
                    )
        added = self._add([NewCaption(text, part)], CaptionSource.USER)
        if added.n_empty:
            raise QueryError("there is no word in this caption", remedy="say what is heard")
        return added

    def import_captions(self, file: Path) -> Added:
        """Write down the captions of a text or CSV file; see `search.collection.read_captions`.

        Raises:
            QueryError: it cannot be read, or has no captions.
        """
        return self._add(read_captions(file), CaptionSource.IMPORT)

    def _add(self, new: Iterable[NewCaption], source: CaptionSource) -> Added:
        model = self.answering
        return add(self.database, new, source=source, bundle=model.bundle, tower=model.tower)

    def remove_captions(
        self, texts: Sequence[str] = (), *, ids: Sequence[int] = (), source: str | None = None
    ) -> int:
        """Remove captions by their words, ids or source; returns how many.

        What the model says too becomes the model's again; of the model's own, all is removed.

        Raises:
            QueryError: one of the texts is no caption.
        """
        with self.database.session() as session:
            found = captions.find_captions(session, [normalise_text(text) for text in texts])
            for text in texts:
                if normalise_text(text) not in found:
                    raise QueryError(
                        f"{text!r} is no caption", remedy="audiosearch captions search"
                    )
            wanted = {*found.values(), *ids}
            if source is not None:
                kind = CaptionSource(source)
                listed = captions.list_captions(session, source=kind)
                wanted |= {each.caption_id for each in listed}
            return captions.disclaim_captions(session, sorted(wanted))

    def verify(self) -> list[Violation]:
        """Everything in the library that should hold and does not; changes nothing."""
        from audiosearch.store.verify import BundleDims, verify  # noqa: PLC0415

        bundle = self.bundle
        dims = BundleDims(
            embedding=bundle.embedding_dim, joint=bundle.joint_dim, frames=bundle.frame_dim
        )
        return verify(self.database, dims={bundle.fingerprint: dims})


@contextmanager
def open_library(config: Config, *, writable: bool = False) -> Iterator[Library]:
    """The library that `config` speaks of, made if there is none.

    Raises:
        LibraryLocked: `writable`, and another process is writing to it.
        StoreError: it is damaged, of a later version, or cannot be opened.
    """
    if not writable and not config.database.exists():
        open_database(config.database).close()
    with open_database(config.database, read_only=not writable) as database:
        yield Library(config, database)


def bundle_paths(config: Config) -> list[Path]:
    """The folders of all bundles: those that the user installed, then those that came along."""
    return list_bundles(search=_model_folders(config))


def find_model(config: Config, name_or_path: str) -> Path:
    """The folder of a bundle.

    Raises:
        BundleError: there is none of that name.
    """
    return find_bundle(name_or_path, search=_model_folders(config))


def _model_folders(config: Config) -> tuple[Path, ...]:
    return (config.models_dir, bundled_models_path())


def _absolute(path: str | Path) -> bytes:
    """An absolute path without `..`; links stay as the user wrote them."""
    return os.fsencode(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100


def _heard(window: StoredWindow) -> Heard:
    encoded = Encoded(
        frames=window.frames.astype(np.float32),
        embedding=window.embedding,
        joint=window.joint,
        tags=None,
    )
    return Heard(
        start_s=window.start_s, end_s=window.end_s, encoded=None if window.silent else encoded
    )
