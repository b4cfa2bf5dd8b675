"""A worker: reads files as one machine does, encodes and captions them, and hands batches over.

It never sees the library: what is to be done with a sound, it asks. It knows nothing of the engine
that runs it; methods are called from several threads.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiosearch import __version__
from audiosearch._timing import Stopwatch
from audiosearch._urls import is_url
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.cluster.sent_models import keep_sent_model, sent_model_folder
from audiosearch.cluster.types import (
    SessionLost,
    SoundQuestion,
    WorkerFacts,
    WorkerOrders,
    WorkerQuestions,
    WorkerSetup,
)
from audiosearch.config import IndexConfig
from audiosearch.errors import BundleError
from audiosearch.indexing.batching import ItemBatch
from audiosearch.indexing.claims import ReadingDecision
from audiosearch.indexing.encode import encode_batch
from audiosearch.indexing.reader import Readers, ReadingPlan
from audiosearch.indexing.types import (
    LAST_ITEMS,
    CaptionedWindow,
    DecodedWindow,
    Failed,
    HeardBatch,
    Item,
    Models,
    SoundReader,
)
from audiosearch.indexing.walk import is_absent_or_empty
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.store.queries.pending import PendingFile

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile
    from audiosearch.cluster.pieces import PieceFunction
    from audiosearch.model.loaded import Model

_LONGEST_CALL_S = 1.0  # of a call that waits for something to happen
_PATIENCE_S = 0.05
_NO_SAMPLES = np.empty(0, np.float32)


def open_model(bundle: Bundle, setup: WorkerSetup) -> Model:
    """A model, with the processors or the accelerator that are the worker's."""
    from audiosearch.model.loaded import Model  # noqa: PLC0415 - tests have models of their own
    from audiosearch.model.runtime.session import RuntimeOptions  # noqa: PLC0415

    options = RuntimeOptions(device=setup.device, threads=setup.cores, exact=setup.exact)
    return Model(bundle, options=options)


def hearing_parts(model: Model, setup: WorkerSetup) -> Models:
    """The parts of a model that indexing uses on a worker, which never embeds texts."""
    wanted = setup.config.captions and model.bundle.decoder is not None
    captioner = model.captioner if wanted else None
    return Models(encoder=model.encoder, captioner=captioner, embed_texts=None)


def decoding_process(config: IndexConfig) -> AbstractContextManager[SoundReader]:
    """What a worker decodes in."""
    return Worker(WorkerLimits.of(config))


@dataclass(frozen=True)
class WorkerParts:
    """What a worker is made of."""

    load_bundle: Callable[[Path], Bundle] = load_bundle
    open_model: Callable[[Bundle, WorkerSetup], Model] = open_model
    hearing_parts: Callable[[Model, WorkerSetup], Models] = hearing_parts
    open_reader: Callable[[IndexConfig], AbstractContextManager[SoundReader]] = decoding_process
    version: str = __version__


class _Ended(Exception):
    """The session is over."""


class HearingWorker:
    """One encoder and its decoding processes."""

    def __init__(self, parts: WorkerParts | None = None) -> None:
        self._parts = parts or WorkerParts()
        self._session: _Session | None = None
        self._models: dict[str, tuple[Bundle, Model]] = {}  # by fingerprint; one at a time

    def begin(
        self, setup: WorkerSetup, model_files: Mapping[str, bytes] | None = None
    ) -> WorkerFacts:
        """Begin a session, in place of one that nobody listens to any more.

        `model_files` are those of the model by their names, where the worker said it lacks them.

        Raises:
            BundleError: the model cannot be used here.
        """
        if self._session is not None:
            self._session.end()
            self._session = None
        version = self._parts.version
        if setup.version != version:
            return WorkerFacts(None, version)
        bundle = self._bundle(setup, model_files)
        if bundle is None:
            return WorkerFacts(None, version, lacks_model=True)
        unseen = tuple(root for root in setup.roots if not _seen(root))
        if unseen:
            return WorkerFacts(None, version, unseen=unseen)
        if setup.fingerprint not in self._models:
            self._models = {setup.fingerprint: (bundle, self._parts.open_model(bundle, setup))}
        self._session = _Session(setup, *self._models[setup.fingerprint], self._parts)
        return WorkerFacts(self._session.name, version, n_readers=setup.cores)

    def _bundle(self, setup: WorkerSetup, model_files: Mapping[str, bytes] | None) -> Bundle | None:
        """The model; None where it is not here, and was not sent either."""
        if setup.fingerprint in self._models:
            return self._models[setup.fingerprint][0]
        folders = [Path(setup.bundle_path), sent_model_folder(setup.fingerprint)]
        if model_files is not None:
            keep_sent_model(folders[1], model_files)
        for folder in folders:
            with contextlib.suppress(BundleError, OSError):
                bundle = self._parts.load_bundle(folder)
                if bundle.fingerprint == setup.fingerprint:
                    return bundle.for_task(setup.task)
        return None

    def exchange(self, session: str, orders: WorkerOrders) -> WorkerQuestions:
        """Take orders; what is to be decided, as soon as there is something, or news of progress.

        Raises:
            SessionLost: this is not the worker that the session was begun with.
        """
        return self._of(session).exchange(orders)

    def batch(self, session: str) -> HeardBatch:
        """The next batch, encoded; smaller than wanted only where no more files were given.

        Empty where nothing happens for a while.

        Raises:
            SessionLost: this is not the worker that the session was begun with.
            BundleError: the model does not do what it should.
            AudiosearchError: nothing can be decoded here.
        """
        return self._of(session).batch()

    def do(
        self, session: str, function: PieceFunction[Any], common: object, given: object
    ) -> object:
        """A piece of other work; see `cluster.pieces`.

        Raises:
            SessionLost: this is not the worker that the session was begun with.
            AudiosearchError: it cannot be done here.
        """
        return function(self._of(session).model, common, given)

    def wind_up(self, session: str) -> None:
        """Encode what is at hand, and let that be the last batch."""
        self._of(session).wind_up()

    def end(self) -> None:
        """End the session, also in the middle of files."""
        if self._session is not None:
            self._session.end()

    def _of(self, session: str) -> _Session:
        if self._session is None or self._session.name != session:
            raise SessionLost
        return self._session


class _Session:
    """What a worker does for one run: files in, questions and batches out."""

    def __init__(
        self, setup: WorkerSetup, bundle: Bundle, model: Model, parts: WorkerParts
    ) -> None:
        self.name = secrets.token_hex(8)
        self.model = model
        self._models = functools.cache(lambda: parts.hearing_parts(model, setup))
        self._gathered = ItemBatch(setup.config.batch_windows)
        self._stopwatch = Stopwatch()
        self._told: dict[str, float] = {}  # seconds of stages that the driver knows of
        self._news = threading.Condition()
        self._waiting: deque[PendingFile] = deque()
        self._questions: list[SoundQuestion] = []
        self._decisions: dict[int, ReadingDecision] = {}
        self._n_given = self._n_taken = self._n_done = 0
        self._more = True
        self._winding_up = False
        self._ended = threading.Event()
        self._readers = Readers(
            self._files(),
            plan=ReadingPlan(
                sample_rate=bundle.sample_rate,
                window_s=bundle.window_s,
                hop_s=setup.hop_s,
                decide=self._decide,
                grid=None if setup.config.exact_windows else bundle.grid,
                stopwatch=self._stopwatch,
            ),
            open_reader=lambda: parts.open_reader(setup.config),
            n_threads=setup.cores,
            batch_windows=setup.config.batch_windows,
            stop=self._ended,
        )
        self._reading = False
        self._starting = threading.Lock()  # readers cannot be ended before

    def end(self) -> None:
        """End the readers, also in the middle of files."""
        if not self._ended.is_set():
            self._ended.set()
            with self._news:
                self._news.notify_all()
            with self._starting:
                if self._reading:
                    self._readers.__exit__(None, None, None)

    def wind_up(self) -> None:
        """See `HearingWorker.wind_up`."""
        self._winding_up = True

    def _files(self) -> Iterator[PendingFile]:
        """The files given, as readers take them up."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._ended.is_set())
                if self._ended.is_set():
                    return
                file = self._waiting.popleft()
                self._n_taken += 1
                self._news.notify_all()
            yield file

    def _decide(self, file: PendingFile, opened: OpenedFile) -> ReadingDecision:
        """Ask the driver, and wait for its decision; called by a reader."""
        with self._news:
            self._questions.append(SoundQuestion(file, opened))
            self._news.notify_all()
            self._news.wait_for(lambda: file.file_id in self._decisions or self._ended.is_set())
            if self._ended.is_set():
                raise _Ended
            return self._decisions.pop(file.file_id)

    def exchange(self, orders: WorkerOrders) -> WorkerQuestions:
        """See `HearingWorker.exchange`."""
        with self._starting:
            if not (self._reading or self._ended.is_set()):  # other work needs none
                self._readers.__enter__()
                self._reading = True
        with self._news:
            self._waiting.extend(orders.files)
            self._n_given += len(orders.files)
            self._decisions.update(orders.decisions)
            self._more = orders.more
            self._news.notify_all()
            # Each call costs as much as a tenth of a short file: files taken up are told of with
            # the questions about them, and by themselves only where few are left.
            enough, told = len(self._waiting) // 2, self._n_taken
            self._news.wait_for(
                lambda: (
                    self._questions
                    or (self._more and len(self._waiting) <= enough and self._n_taken != told)
                    or self._ended.is_set()
                ),
                timeout=_LONGEST_CALL_S,
            )
            questions, self._questions = self._questions, []
            return WorkerQuestions(questions, self._n_taken)

    def batch(self) -> HeardBatch:
        """See `HearingWorker.batch`."""
        items = self._gather()
        failed = {item.file.file_id for item in items if isinstance(item, Failed)}
        heard = [
            item
            for item in items
            if isinstance(item, DecodedWindow) and item.file.file_id not in failed
        ]
        encoded = (
            encode_batch(heard, models=self._models(), stopwatch=self._stopwatch) if heard else []
        )
        return self._without_samples(items, encoded)

    def _gather(self) -> Sequence[Item]:
        start = time.monotonic()
        while not self._gathered.is_full:
            item = self._readers.poll(_PATIENCE_S)
            if item is not None:
                self._gathered.add(item)
                self._n_done += isinstance(item, LAST_ITEMS)
                continue
            waited = time.monotonic() - start > _LONGEST_CALL_S
            idle = self._n_done == self._n_given and (waited or not self._more)
            if self._winding_up or self._ended.is_set() or (idle and self._gathered):
                break
            if waited and not self._gathered:
                break
        return self._gathered.take()

    def _without_samples(self, items: Sequence[Item], encoded: list[CaptionedWindow]) -> HeardBatch:
        """What the driver stores: samples, most of what there is, stay here, and so do tags."""
        bare = {
            id(item): replace(item, window=replace(item.window, samples=_NO_SAMPLES, stretch=None))
            for item in items
            if isinstance(item, DecodedWindow)
        }
        seconds = {
            stage: total - self._told.get(stage, 0.0)
            for stage, total in self._stopwatch.seconds.items()
        }
        self._told = dict(self._stopwatch.seconds)
        return HeardBatch(
            items=[bare.get(id(item), item) for item in items],
            encoded=[
                replace(
                    each,
                    decoded=bare[id(each.decoded)],
                    encoded=replace(each.encoded, tags=None),
                )
                for each in encoded
            ],
            seconds=seconds,
        )


def _seen(root: bytes) -> bool:
    """Whether there is a folder with something in it; of a URL, whether its store can be asked."""
    if is_url(root):
        return not is_absent_or_empty(root)
    try:
        with os.scandir(root) as entries:
            return next(iter(entries), None) is not None
    except OSError:
        return False
