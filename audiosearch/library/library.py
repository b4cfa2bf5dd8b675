"""An open library: what fills it and keeps it in order, on top of what it answers.

Each method says what it is for; what takes more than a few lines is done by the neighbour files.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiosearch.audio.clip import ClipRange
from audiosearch.config import Config
from audiosearch.errors import BundleError, StorageFull
from audiosearch.library.answers import Answers, reading_database
from audiosearch.library.captions import (
    Added,
    ListedCaption,
    add_caption,
    list_captions,
    remove_captions,
)
from audiosearch.library.lookup import FileInfo, Listing, file_info, list_files
from audiosearch.library.model_selection import remember_model
from audiosearch.library.roots import (
    add_roots,
    confirm_missing,
    places_to_index,
    remove_root,
    sound_files,
)
from audiosearch.model.loaded import Model
from audiosearch.search.filters import Filters
from audiosearch.store.database import Database, open_database
from audiosearch.store.queries import failed, recordings, roots
from audiosearch.store.queries.caption_imports import StoredImport, TakenBack, list_imports
from audiosearch.store.queries.failed import FailedFile, RemarkedFile
from audiosearch.store.queries.places import RootPath
from audiosearch.store.queries.recordings import Purged
from audiosearch.store.queries.roots import RootSummary
from audiosearch.store.queries.status import LibraryStatus, library_status
from audiosearch.store.schema import FileState

if TYPE_CHECKING:  # what only some commands need is imported where it is used
    from audiosearch.cluster.opening import RayPlace
    from audiosearch.indexing.scan import ScanRules
    from audiosearch.indexing.types import Hearing, IndexReport, Models, Progress
    from audiosearch.library.annotations import Annotations
    from audiosearch.library.duplicates import Duplicates
    from audiosearch.library.restore import Restored
    from audiosearch.store.identity import LibraryIdentity
    from audiosearch.store.integrity.repair import Repaired
    from audiosearch.store.integrity.verify import BundleDims, Verified, Violation
    from audiosearch.store.queries.duplicates import HeldSound


log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a library is: its numbers, its place on the disk, its model."""

    counts: LibraryStatus
    database: str  # its place, for people
    database_bytes: int
    model_name: str
    model_version: str
    provider: str  # what the decoder really runs on, in ONNX Runtime's words
    note: str | None  # why that is not what was asked for


def status(database: Database, model: Model) -> Status:
    """How a library stands, whose new sounds `model` hears."""
    with database.reading() as session:
        counts = library_status(session)
    device = model.decoder.device
    return Status(
        counts=counts,
        database=database.shown,
        database_bytes=database.size_bytes(),
        model_name=model.bundle.name,
        model_version=model.bundle.version,
        provider=device.provider,
        note=device.note,
    )


def status_without_model(database: Database, name: str, note: str) -> Status:
    """How a library stands whose model is not there; `note` says why."""
    with database.reading() as session:
        counts = library_status(session)
    return Status(
        counts=counts,
        database=database.shown,
        database_bytes=database.size_bytes(),
        model_name=name,
        model_version="",
        provider="",
        note=note,
    )


class Library(Answers):
    """An open library; made by `open_library`, closed by leaving its `with` block."""

    @property
    def annotations(self) -> Annotations:
        """What a person writes of the sounds."""
        from audiosearch.library.annotations import Annotations  # noqa: PLC0415

        return Annotations(self.database)

    def backup(self, file: Path) -> int:
        """Write all that a person wrote into a file, in place of what is there; how many lines.

        Raises:
            StoreError: it cannot be written, or what was written is damaged.
        """
        from audiosearch.store.backup import write_backup  # noqa: PLC0415

        return write_backup(self.database, file)

    def restore(self, file: Path, *, by_path: bool = False) -> Restored:
        """Take in a backup; see `library.restore.restore`.

        Raises:
            QueryError: it is no backup, or damaged; nothing was changed.
            StoreError: the library cannot be written to; nothing was changed.
        """
        from audiosearch.library.restore import restore  # noqa: PLC0415

        return restore(self.database, file, by_path=by_path)

    def duplicates(
        self,
        *,
        identical_only: bool = False,
        filters: Filters | None = None,
        watched: Callable[[Sequence[HeldSound]], Iterable[HeldSound]] = iter,
    ) -> Duplicates:
        """Sounds that the library has more than once; see `library.duplicates.find_duplicates`."""
        from audiosearch.library.duplicates import find_duplicates  # noqa: PLC0415

        bundle = None if identical_only else self.answering.bundle
        return find_duplicates(
            self.database, bundle, self.config.index, filters=filters, watched=watched
        )

    def index(
        self,
        paths: Sequence[Path] = (),
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        accept_missing: bool = False,
        on: RayPlace | None = None,
    ) -> IndexReport:
        """Take in what is new or changed below `paths`; below all roots without any.

        Folders become roots; files must lie in one. With `on`, the workers of a cluster read and
        encode.

        Raises:
            FeatureUnavailable: what `on` needs is not installed.
            AudiosearchError: a path is not there, or a file in no root; there are no roots yet.
            StoreError: the library cannot be written to.
            BundleError: the model cannot be used.
        """
        _ = self.bundle  # an unusable model is said before anything is looked at
        places = places_to_index(self.database, paths, config=self.config.index)
        return self.index_places(
            places, progress=progress, stop=stop, accept_missing=accept_missing, on=on
        )

    def index_places(
        self,
        places: Sequence[RootPath],
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        accept_missing: bool = False,
        rules: ScanRules | None = None,
        on: RayPlace | None = None,
    ) -> IndexReport:
        """Take in what is new or changed in places of the roots; see `index`."""
        from audiosearch.indexing.pipeline import index  # noqa: PLC0415
        from audiosearch.indexing.scan import ScanRules  # noqa: PLC0415
        from audiosearch.store.lock import QuestionMark  # noqa: PLC0415

        with self._hearing(places, on) as hearing:
            report = index(
                self.database,
                places=places,
                bundle=self.bundle,
                load_models=self._for_indexing,
                config=self.config.index,
                progress=progress,
                stop=stop,
                accept_missing=accept_missing,
                rules=rules or ScanRules(),
                hearing=hearing,
                is_asked=QuestionMark(self.config.data_dir).is_held,
            )
        try:
            self.database.settle()
        except StorageFull as error:  # all that was heard is stored; questions take a little longer
            log.warning("the full text is not merged: %s", error)
        return report

    def _hearing(
        self, places: Sequence[RootPath], on: RayPlace | None
    ) -> AbstractContextManager[Hearing | None]:
        """What reads and encodes elsewhere; None: this process does."""
        if on is None:
            return nullcontext()
        from audiosearch.cluster.opening import open_hearing  # noqa: PLC0415

        remember_model(self.config, self.bundle)  # what it hears must find it again
        folders = sorted({place.root.path for place in places})
        return open_hearing(
            on,
            config=self.config,
            bundle=self.chosen.bundle,
            task=self.config.model.task,
            roots=folders,
        )

    def _for_indexing(self) -> Models:
        from audiosearch.indexing.types import Models  # noqa: PLC0415
        from audiosearch.model.captioner import Captioner  # noqa: PLC0415

        model = self.chosen
        remember_model(self.config, model.bundle)  # what it hears must find it again
        return Models(
            encoder=model.encoder,
            captioner=Captioner(model.decoder)
            if self.config.index.captions and model.bundle.decoder is not None
            else None,
            embed_texts=None if model.tower is None else model.tower.embed,
        )

    def files(
        self,
        name: str | None = None,
        *,
        filters: Filters | None = None,
        states: Sequence[FileState] = (),
        limit: int | None = None,
        sort: str | None = None,
        reverse: bool = False,
    ) -> Listing:
        """The files of a name (a glob, or words), within `filters` and in one of `states`.

        By path, or as `sort` has it (`search.order`).

        Raises:
            QueryError: a filter or the order has no meaning here.
        """
        return list_files(
            self.database,
            filters or Filters(),
            name=name,
            states=states,
            limit=limit,
            sort=sort,
            reverse=reverse,
        )

    def info(self, path: str) -> FileInfo:
        """All that is known of a file; one that is not in the library is read for what it says.

        Raises:
            QueryError: there is no such file, here or in the library.
            DecodeError: it is not in the library, and cannot be read.
        """
        return file_info(self.database, self.config, path)

    def sound_files(self, place: str) -> list[str]:
        """The sound files below a folder, in the order of their paths, as indexing sees them."""
        return sound_files(place, config=self.config.index)

    def status(self) -> Status:
        """The library in numbers, and what its model really runs on."""
        try:
            return status(self.database, self.chosen)
        except BundleError as error:  # what the library holds can be told without it
            return status_without_model(self.database, self.config.model.bundle, str(error))

    def failed(self) -> list[FailedFile]:
        """The files that could not be read."""
        with self.database.reading() as session:
            return failed.failed_files(session)

    def remarked(self) -> list[RemarkedFile]:
        """Files that were heard, but of whose sound there is something to be said."""
        with self.database.reading() as session:
            return failed.remarked_files(session)

    def retry_failed(self) -> int:
        """Have the next run of `index` try failed files again; returns how many."""
        with self.database.session() as session:
            return failed.retry_failed(session)

    def roots(self) -> list[RootSummary]:
        """The folders of the library."""
        with self.database.reading() as session:
            return roots.summarise_roots(session)

    def add_roots(self, folders: Sequence[Path]) -> list[RootPath]:
        """Remember folders, without looking into them yet; returns the places that cover them.

        Raises:
            AudiosearchError: one of them is no folder, or passed over in a root around it.
        """
        return add_roots(self.database, folders, config=self.config.index)

    def confirm_missing(self, folder: Path) -> int:
        """Mark all files of a root that are gone as missing, however many; returns how many.

        Raises:
            AudiosearchError: it is no folder of the library, or is not there itself.
        """
        return confirm_missing(self.database, folder, config=self.config.index)

    def purge(self, *, dry_run: bool = False) -> Purged:
        """Delete what is gone for good: missing files, and sounds that no file holds any more.

        With `dry_run`, only tells how much that is.
        """
        with self.database.session() as session:
            purged = recordings.purge(session)
            if dry_run:
                session.rollback()
        return purged

    def remove_root(self, folder: Path) -> int:
        """Forget a folder and its files; returns how many there were. Recordings are kept.

        Raises:
            AudiosearchError: it is no folder of the library.
        """
        return remove_root(self.database, folder)

    def captions(
        self, *, source: str | None = None, limit: int | None = None, words: str | None = None
    ) -> list[ListedCaption]:
        """The stored captions, those said of most windows first; with `words`, those that match."""
        return list_captions(self.database, source=source, limit=limit, words=words)

    def add_caption(self, text: str, *, clip: str | ClipRange | None = None) -> Added:
        """Write down a caption, for a file of the library or a part of it, or for none.

        Raises:
            QueryError: there is no word in it, or the file is not in the library.
        """
        return add_caption(self.database, self.answering, text, clip=clip)

    def import_captions(self, file: Path, *, clip: str | ClipRange | None = None) -> Added:
        """Write down the captions of a file: sentences, a table, or another program's labels.

        With `clip`, all of them for that sound; its times count from where the clip begins.

        Raises:
            QueryError: it cannot be read, a line is not what its kind has, or it tells times of no
                sound that is known.
        """
        from audiosearch.library.caption_import import import_captions  # noqa: PLC0415

        return import_captions(self.database, self.answering, file, clip=clip)

    def imports(self) -> list[StoredImport]:
        """The imports of captions that can be taken back, the oldest first."""
        with self.database.reading() as session:
            return list_imports(session)

    def remove_import(self, import_id: int) -> TakenBack:
        """Take an import of captions back: what it alone brought.

        Raises:
            QueryError: there is no such import.
        """
        from audiosearch.library.caption_import import remove_import  # noqa: PLC0415

        return remove_import(self.database, import_id)

    def remove_captions(
        self, texts: Sequence[str] = (), *, ids: Sequence[int] = (), source: str | None = None
    ) -> int:
        """Remove captions by their words, ids or source; returns how many.

        What the model says too becomes the model's again; of the model's own, all is removed.

        Raises:
            QueryError: one of the texts is no caption.
        """
        return remove_captions(self.database, texts, ids=ids, source=source)

    def refresh_scales(self, *, limit: int = 20) -> int:
        """Bring at most `limit` outdated scales of captions up to date; returns how many it did.

        For a process with time to spare, such as one that watches folders: 0 means that nothing is
        left to do, or that nothing can be kept while another process is writing.

        Raises:
            StoreError: the library cannot be read.
        """
        self.engine.refresh_scales(limit=limit)
        return self.keep_derived()

    def verify(self) -> list[Violation]:
        """Everything in the library that should hold and does not; changes nothing."""
        return self.verify_and_count().violations

    def verify_and_count(self) -> Verified:
        """As `verify`, and how many files are not where the library has them."""
        from audiosearch.store.integrity.verify import verify_and_count  # noqa: PLC0415

        return verify_and_count(self.database, dims=self._dims())

    def repair(self) -> Repaired:
        """Remove what is damaged, so that `index` can bring it back; keeps what people wrote.

        Raises:
            LibraryCorrupt: the database's file itself is damaged; nothing was changed.
        """
        from audiosearch.store.integrity.repair import repair  # noqa: PLC0415

        return repair(self.database, dims=self._dims())

    def _dims(self) -> dict[str, BundleDims]:
        from audiosearch.store.integrity.verify import BundleDims  # noqa: PLC0415

        try:
            bundle = self.bundle
        except BundleError as error:
            log.warning("%s; vectors are only compared with each other", error)
            return {}
        return {
            bundle.fingerprint: BundleDims(
                embedding=bundle.embedding_dim, joint=bundle.joint_dim, frames=bundle.frame_dim
            )
        }


@contextmanager
def open_library(
    config: Config,
    *,
    writable: bool = False,
    yields_to_waiters: bool = False,
    expected: LibraryIdentity | None = None,
    turn_s: float | None = None,
) -> Iterator[Library]:
    """The library that `config` speaks of, made if there is none; see `open_database`.

    Raises:
        LibraryReplaced: it is not the `expected` one.
        LibraryLocked: `writable`, and another process is writing to it.
        StoreError: it is damaged, of a later version, or cannot be opened.
    """
    database = (
        open_database(
            config.database,
            yields_to_waiters=yields_to_waiters,
            expected=expected,
            turn_s=turn_s,
            store=config.store,
            user=config.user.name,
        )
        if writable
        else reading_database(config, expected=expected)
    )
    with database:
        yield Library(config, database)
