"""From folders to a complete library: scan → open → decode → windows → encode → caption → commit.

Can be stopped or killed at any point: what is committed stays, and the next run goes on from there.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

from audiosearch._timing import Meter, Stopwatch
from audiosearch._urls import is_url
from audiosearch._wording import counted
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.config import IndexConfig
from audiosearch.errors import DecodeCode, display_path
from audiosearch.indexing.batching import (
    GivingWay,
    ItemBatch,
    UncommittedBatches,
    nobody_asks,
)
from audiosearch.indexing.claims import InFlightHashes, SoundClaims
from audiosearch.indexing.encode import caption_stored, encode_batch
from audiosearch.indexing.passed_over import add_up
from audiosearch.indexing.reader import Readers, ReadingPlan
from audiosearch.indexing.scan import (
    MissingMarked,
    PlaceScan,
    ScanRules,
    mark_missing,
    reconcile,
    with_vanished,
)
from audiosearch.indexing.types import (
    CaptionedWindow,
    EncodedBatch,
    Failed,
    Hearing,
    IndexReport,
    Item,
    Models,
    NoProgress,
    OpenReader,
    Progress,
)
from audiosearch.indexing.writer import Committer, Tally
from audiosearch.model.runtime.parallel import pausing
from audiosearch.store.database import Database
from audiosearch.store.queries import encodings, pending
from audiosearch.store.queries.pending import PendingFile
from audiosearch.store.queries.places import RootPath, join

if TYPE_CHECKING:
    from audiosearch.model.bundle import Bundle

_PAGE = 1000  # pending files read from the database at a time
SETTLE_S = 1.0  # pause before another look at files that changed while they were read


def index(
    database: Database,
    *,
    places: Sequence[RootPath],
    bundle: Bundle,
    load_models: Callable[[], Models],
    config: IndexConfig,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    accept_missing: bool = False,
    rules: ScanRules = ScanRules(),  # noqa: B008  # frozen
    open_reader: OpenReader | None = None,
    hearing: Hearing | None = None,
    settle_s: float = SETTLE_S,
    is_asked: Callable[[], bool] = nobody_asks,
) -> IndexReport:
    """Bring the library up to date with what is in `places`.

    Readers (threads with decoding processes) feed one bounded queue; this thread encodes, captions
    and commits, a few batches a transaction, batches reaching across files. Files whose sound is
    known cost a hash, unchanged files nothing.

    Args:
        database: opened for writing.
        places: roots, or folders and files under them.
        bundle: what encodes; its rate, window length and fingerprint are used.
        load_models: gives its parts; called only when there is something to encode.
        config: hop, batch size, workers and what the walk passes over.
        progress: is told how it goes.
        stop: ends the run in good order when it is set, as Ctrl-C does.
        accept_missing: mark files as missing even where more than half of a place is gone.
        rules: how places are looked at; the daemon's are not those of a run by hand.
        open_reader: makes a reader for each thread; decoding processes by default.
        hearing: reads and encodes in place of this process, which then only commits.
        settle_s: pause before another look at files that changed while they were read.
        is_asked: whether a question is worked on now, which is let go first.

    Raises:
        StoreError: the library cannot be written to.
        BundleError: the models cannot be used.
        AudiosearchError: no decoding process can be started.
    """
    run = _Run(
        database,
        bundle=bundle,
        load_models=load_models,
        config=config,
        progress=progress or NoProgress(),
        stop=stop or threading.Event(),
        rules=rules,
        open_reader=open_reader or (lambda: Worker(WorkerLimits.of(config))),
        hearing=hearing,
        settle_s=settle_s,
        is_asked=is_asked,
    )
    marked = MissingMarked(n_missing=0, guarded=())
    try:
        run.scan(places)
        if not run.stop.is_set():
            run.read_pending()
        if config.captions:
            run.caption_stored()
        if not run.stop.is_set():
            marked = run.mark_missing(accept_missing=accept_missing)
    except KeyboardInterrupt:
        run.stop.set()
    return run.report(marked)


class _Run:
    """One run of `index`: its steps, and what they hand to each other."""

    def __init__(
        self,
        database: Database,
        *,
        bundle: Bundle,
        load_models: Callable[[], Models],
        config: IndexConfig,
        progress: Progress,
        stop: threading.Event,
        rules: ScanRules,
        open_reader: OpenReader,
        hearing: Hearing | None,
        settle_s: float,
        is_asked: Callable[[], bool],
    ) -> None:
        self.stop = stop
        self._giving_way = GivingWay(is_asked, stop=stop)
        self._settle_s = settle_s
        self._rules = rules
        self._start = time.perf_counter()
        self._database = database
        self._config = config
        self._progress = progress
        self._open_reader = open_reader
        self._hearing = hearing
        self._stopwatch = Stopwatch()
        self._models = functools.cache(self._timed(load_models))
        self._hop_s = config.hop * bundle.window_s
        self._scans: list[PlaceScan] = []
        self._n_captioned = 0
        self._said_away: set[tuple[bytes, str]] = set()
        in_flight = InFlightHashes()
        with database.session() as session:
            self._bundle_id = encodings.ensure_bundle(
                session, name=bundle.name, version=bundle.version, fingerprint=bundle.fingerprint
            )
        self._claims = SoundClaims(
            database, bundle_id=self._bundle_id, hop_s=self._hop_s, in_flight=in_flight
        )
        self._plan = ReadingPlan(
            sample_rate=bundle.sample_rate,
            window_s=bundle.window_s,
            hop_s=self._hop_s,
            decide=self._claims.decide,
            grid=None if config.exact_windows else bundle.grid,
            pause=self._giving_way.pause,
            stopwatch=self._stopwatch,
        )
        self._committer = Committer(
            database,
            bundle_id=self._bundle_id,
            hop_s=self._hop_s,
            in_flight=in_flight,
            captions=config.captions,
            embed_texts=lambda: self._models().embed_texts,
        )
        self._held = UncommittedBatches(
            commit_s=config.commit_s, batch_windows=config.batch_windows
        )
        tally = self._committer.tally
        self._meter = Meter(lambda: tally.sound_s)

    def _timed(self, load: Callable[[], Models]) -> Callable[[], Models]:
        def timed() -> Models:
            with self._stopwatch.stage("load"):
                models = load()
            return models if self._config.captions else replace(models, captioner=None)

        return timed

    def scan(self, places: Sequence[RootPath]) -> None:
        """Step 1: write down what is new, changed or back; find out what is to be read."""
        with self._stopwatch.stage("scan"):
            for place in places:
                scan = reconcile(
                    self._database, place, config=self._config, rules=self._rules, stop=self.stop
                )
                self._scans.append(scan)
                for problem in scan.problems:
                    self._progress.warn(f"{display_path(problem.path)}: {problem.reason}")
                if scan.offline:
                    self._progress.warn(
                        f"{display_path(place.path)}: not there or empty; what is known of it stays"
                    )
            with self._database.session() as session:
                pending.requeue_incomplete(
                    session,
                    bundle_id=self._bundle_id,
                    hop_s=self._hop_s,
                    places=places if self._rules.observed else None,
                )

    def read_pending(self) -> None:
        """Steps 2 to 7: read all pending files, and those that changed meanwhile once more."""
        online = [scan.place for scan in self._scans if not scan.offline]
        gone = frozenset(file_id for scan in self._scans for file_id in scan.gone)
        with self._database.reading() as session:
            n_pending = pending.count_pending(session, online, without=gone)
        self._progress.start(n_pending)
        if n_pending == 0:
            return
        self._read(self._pending(online, gone), n_files=n_pending)
        while (retries := self._committer.take_retries()) and not self.stop.wait(self._settle_s):
            self._read(iter(retries), n_files=len(retries))
        for path in sorted(self._committer.tally.away):
            self._progress.warn(
                f"{display_path(path)}: {_what_went_away(path)};"
                " what was left of it waits for the next run"
            )
        if self._committer.tally.n_unsettled:
            self._progress.warn(
                f"{counted(self._committer.tally.n_unsettled, 'file')} still changing,"
                " to be tried again next time"
            )

    def _pending(self, places: Sequence[RootPath], gone: frozenset[int]) -> Iterator[PendingFile]:
        last = 0
        while True:
            with self._database.reading() as session:
                page = pending.pending_files(session, places, after_id=last, limit=_PAGE)
            if not page:
                return
            last = page[-1].file_id
            yield from (file for file in page if file.file_id not in gone)

    def _read(self, pending: Iterator[PendingFile], *, n_files: int) -> None:
        if self._hearing is not None:
            self._read_elsewhere(self._hearing, pending)
            return
        n_threads = min(self._config.workers or os.cpu_count() or 1, n_files)
        batch = ItemBatch(self._config.batch_windows)
        readers = Readers(
            pending,
            plan=self._plan,
            open_reader=self._open_reader,
            n_threads=n_threads,
            batch_windows=self._config.batch_windows,
            stop=self.stop,
            idle=self._commit_held,
        )
        try:
            with readers as items:
                for item in items:
                    if self.stop.is_set():
                        return
                    batch.add(item)
                    if batch.is_full:
                        self._write(batch.take())
            if not self.stop.is_set():
                self._write(batch.take())
        finally:  # what is encoded is kept, however this ends
            self._commit_held()

    def _read_elsewhere(self, hearing: Hearing, pending: Iterator[PendingFile]) -> None:
        for batch in hearing.batches(
            pending, claims=self._claims, progress=self._progress, stop=self.stop
        ):
            for stage, seconds in batch.seconds.items():
                self._stopwatch.add(stage, seconds)
            # By identity: windows are as large as what they hold.
            kept = {id(each) for each in self._committer.windows_to_encode(batch.items)}
            encoded = [each for each in batch.encoded if id(each.decoded) in kept]
            self._commit([EncodedBatch(batch.items, encoded)])

    def _write(self, batch: Sequence[Item]) -> None:
        """Encode and caption one batch, and commit it with those before it, or later."""
        if not batch:
            return
        heard = self._committer.windows_to_encode(batch)
        self._giving_way.pause()
        encoded: Sequence[CaptionedWindow] = ()
        if heard:
            with pausing(self._giving_way.pause):
                encoded = encode_batch(heard, models=self._models(), stopwatch=self._stopwatch)
        self._held.add(EncodedBatch(batch, encoded))
        if self._held.is_due:
            self._commit_held()

    def _commit_held(self) -> None:
        """Commit the batches that wait for it, if there are any."""
        if batches := self._held.take():
            self._commit(batches)

    def _commit(self, batches: Sequence[EncodedBatch]) -> None:
        """Commit batches, and say how far the run is."""
        with self._stopwatch.stage("store"):
            self._committer.commit(batches)
        for item in (item for batch in batches for item in batch.items):
            if isinstance(item, Failed) and not item.vanished and self._is_news(item):
                path = display_path(join(item.file.root_path, item.file.path))
                self._progress.warn(f"{path}: {item.reason}")
        tally = self._committer.tally
        self._progress.advance(
            n_files=tally.n_done,
            under_way=self._committer.under_way,
            seconds=tally.sound_s,
            rate=self._meter.rate(),
            n_failed=tally.n_failed,
        )

    def _is_news(self, failed: Failed) -> bool:
        """Whether a failure is worth a line: a store that is away is said to be so once."""
        if failed.code != DecodeCode.AWAY:
            return True
        why = failed.file.root_path, failed.reason
        is_news = why not in self._said_away
        self._said_away.add(why)
        return is_news

    def caption_stored(self) -> None:
        """Step 8: caption what was stored while no captions were wanted."""
        self._n_captioned = caption_stored(
            self._database,
            bundle_id=self._bundle_id,
            load_models=self._models,
            batch_windows=self._config.batch_windows,
            progress=self._progress,
            stop=self.stop,
            stopwatch=self._stopwatch,
            hearing=self._hearing,
            pause=self._giving_way.pause,
        )

    def mark_missing(self, *, accept_missing: bool) -> MissingMarked:
        """Step 9: mark what is gone, now that moved files are recognised."""
        with self._stopwatch.stage("scan"):
            marked = mark_missing(
                self._database,
                with_vanished(self._scans, self._committer.tally.vanished),
                accept_missing=accept_missing,
                rules=self._rules,
            )
        for each in marked.guarded:
            self._progress.warn(
                f"{display_path(each.path)}: {each.n_lost} of {counted(each.n_known, 'file')} gone;"
                " nothing was marked as missing"
            )
        return marked

    def report(self, marked: MissingMarked) -> IndexReport:
        """What became of it all."""
        return make_report(
            self._scans,
            marked,
            self._committer.tally,
            n_captioned=self._n_captioned,
            wall_s=time.perf_counter() - self._start,
            stages_s=self._stopwatch.seconds,
            interrupted=self.stop.is_set(),
        )


def make_report(
    scans: Sequence[PlaceScan],
    marked: MissingMarked,
    tally: Tally,
    *,
    n_captioned: int,
    wall_s: float,
    stages_s: Mapping[str, float],
    interrupted: bool,
) -> IndexReport:
    """Put together what a run found and did; see `IndexReport`."""
    unsettled = (*(path for scan in scans for path in scan.fresh), *tally.unsettled)
    return IndexReport(
        n_files=sum(scan.n_found for scan in scans),
        n_new=sum(scan.n_new for scan in scans),
        n_changed=sum(scan.n_changed for scan in scans),
        n_unchanged=sum(scan.n_unchanged for scan in scans),
        n_missing=marked.n_missing,
        n_failed=tally.n_failed,
        n_recognised=tally.n_recognised,
        n_encoded=tally.n_encoded,
        n_unsettled=len(unsettled),
        n_windows=tally.n_windows,
        n_captioned=n_captioned,
        sound_s=tally.sound_s,
        wall_s=wall_s,
        stages_s=stages_s,
        offline=_offline(scans, tally.away),
        guarded=marked.guarded,
        problems=tuple(
            f"{display_path(problem.path)}: {problem.reason}"
            for scan in scans
            for problem in scan.problems
        ),
        interrupted=interrupted,
        unsettled=unsettled,
        recent=tuple(path for scan in scans for path in scan.recent),
        passed_over=add_up(scan.passed_over for scan in scans),
        n_remarked=tally.n_remarked,
    )


def _what_went_away(root: bytes) -> str:
    return "not all of it could be fetched" if is_url(root) else "it went away while it was read"


def _offline(scans: Sequence[PlaceScan], away: AbstractSet[bytes]) -> tuple[bytes, ...]:
    """Places that were away at the beginning, or went away."""
    return tuple(scan.place.path for scan in scans if scan.offline or scan.place.root.path in away)
