"""The driver: gives files to workers, decides about sounds, takes batches in to be committed.

A worker has one batch under way at most, and begins the next one when that is committed: so no more
is ever repeated, whoever dies. Files of a worker that died go to others, from what is committed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from audiosearch.cluster.handout import Handout
from audiosearch.cluster.types import (
    Engine,
    WorkerDied,
    WorkerFacts,
    WorkerOrders,
    WorkerQuestions,
    WorkerSetup,
    WorkerSpot,
)
from audiosearch.errors import AudiosearchError, display_path
from audiosearch.indexing.claims import ReadingDecision, SoundClaims
from audiosearch.indexing.types import LAST_ITEMS, DecodedWindow, HeardBatch, Item, Progress
from audiosearch.store.queries.pending import PendingFile

log = logging.getLogger(__name__)

_PATIENCE_S = 0.2  # between looks at whether to stop
_LOOK_S = 2.0  # between looks at which machines there are
_REST_S = 5.0  # of a worker that died or does not see the folders, before it is begun anew
_LAST_S = 10.0  # for batches in hand when the run is stopped
LONELY_S = 300.0  # without any worker, before the run ends
MOST_DEATHS = 5  # of a worker that never got anything done


@dataclass
class _Seat:
    """A worker, what it was given, and the calls that are under way."""

    spot: WorkerSpot
    worker: Any
    session: str | None = None
    n_readers: int = 0
    files: dict[int, PendingFile] = field(default_factory=dict)  # given and not done yet
    alone: bool = False  # it reads one file that may have been the death of others
    n_given: int = 0
    n_taken: int = 0
    fresh: list[PendingFile] = field(default_factory=list)  # to be given with the next call
    decisions: dict[int, ReadingDecision] = field(default_factory=dict)
    proven: bool = False  # it has given something
    n_deaths: int = 0  # since it gave something, those that a file is to blame for left out
    begins_at: float | None = 0.0  # None: it is at work, or being asked to begin
    sent_model: bool = False

    @property
    def name(self) -> str:
        """What a person knows it by."""
        return self.spot.node_name


class ClusterHearing:
    """Reads and encodes on the workers of an engine; see `indexing.types.Hearing`.

    A context manager; the engine is opened when there is something to read, and closed at the end.
    `setup` is that of a worker with all processors; `model_files` gives the files of the model.
    """

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        *,
        setup: WorkerSetup,
        model_files: Callable[[], dict[str, bytes]],
        lonely_s: float = LONELY_S,
        rest_s: float = _REST_S,
    ) -> None:
        self._open_engine = open_engine
        self._setup = setup
        self._model_files = model_files
        self._lonely_s = lonely_s
        self._rest_s = rest_s
        self._engine: Engine | None = None
        self._shared_model: Any = None
        self._seats: dict[tuple[str, int], _Seat] = {}
        self._given_up: set[tuple[str, int]] = set()
        self._calls: dict[Hashable, tuple[_Seat, str]] = {}
        self._looked_at = -_LOOK_S
        self._said: set[str] = set()
        self._trouble = AudiosearchError("the cluster has no machine with a processor to give")
        self._stopping = False
        self._n_windows = self._n_files = 0  # done, to tell how many files make a batch

    def __enter__(self) -> ClusterHearing:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def batches(
        self,
        files: Iterator[PendingFile],
        *,
        claims: SoundClaims,
        progress: Progress,
        stop: threading.Event,
    ) -> Iterator[HeardBatch]:
        """See `indexing.types.Hearing`.

        Raises:
            AudiosearchError: the engine cannot be had, or no worker is left.
        """
        if self._engine is None:
            self._engine = self._open_engine()
        handout = Handout(files, claims)
        self._stopping = False
        alive_at = time.monotonic()
        while not stop.is_set():
            self._staff(handout, progress)
            self._hand_out(handout)
            yield from self._news(handout, progress)
            if failed := handout.take_failed():
                yield HeardBatch(failed, [], {})
            if handout.is_done and not any(seat.files for seat in self._seats.values()):
                return
            if any(seat.session for seat in self._seats.values()):
                alive_at = time.monotonic()
            elif time.monotonic() - alive_at > self._lonely_s or not self._may_come():
                raise self._trouble
        yield from self._wind_up(handout, progress)

    def _may_come(self) -> bool:
        """Whether a worker there is, or may be had without anybody's help."""
        return bool(self._seats) or not self._given_up

    def _staff(self, handout: Handout, progress: Progress) -> None:
        """A worker for each place that there is, none for those that are gone."""
        assert self._engine is not None
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            spots = {(spot.node_id, spot.number): spot for spot in self._engine.spots()}
            for key in self._seats.keys() - spots.keys():
                seat = self._seats.pop(key)
                self._lose(seat, "its machine is gone", handout, progress)
                self._engine.dismiss(seat.worker)
            for key, spot in spots.items():
                if key not in self._seats and key not in self._given_up:
                    self._seats[key] = _Seat(spot, self._engine.hire(spot))
        for seat in self._seats.values():
            if seat.begins_at is not None and now >= seat.begins_at:
                self._begin(seat)

    def _begin(self, seat: _Seat) -> None:
        spot = seat.spot
        device = self._setup.device if spot.n_accelerators else "cpu"
        setup = replace(self._setup, cores=spot.cores, device=device)
        arguments: list[object] = [setup]
        if seat.sent_model:
            if self._shared_model is None:
                assert self._engine is not None
                self._shared_model = self._engine.share(self._model_files())
            arguments.append(self._shared_model)
        seat.begins_at = None
        self._call(seat, "begin", *arguments)

    def _call(self, seat: _Seat, method: str, *arguments: object) -> None:
        assert self._engine is not None
        self._calls[self._engine.call(seat.worker, method, *arguments)] = (seat, method)

    def _hand_out(self, handout: Handout) -> None:
        """Files to those that soon have none to take up; see `_ahead`."""
        if self._stopping:
            return
        for seat in self._seats.values():
            if seat.session is None or seat.alone:
                continue
            wanted = self._ahead(seat) - (seat.n_given + len(seat.fresh) - seat.n_taken)
            while wanted > 0 and (file := handout.take()) is not None:
                seat.fresh.append(file)
                seat.files[file.file_id] = file
                wanted -= 1
            if not seat.files and (file := handout.take_suspect()) is not None:
                seat.alone = True
                seat.fresh.append(file)
                seat.files[file.file_id] = file

    def _ahead(self, seat: _Seat) -> int:
        """How many files may wait at a worker: so many as make a batch.

        Fewer, and workers would wait for files; more, and some would have much left to do at the
        end of a run while others have nothing.
        """
        each = self._n_windows / self._n_files if self._n_files else 4.0
        wanted = round(self._setup.config.batch_windows / max(each, 1.0))
        return max(seat.n_readers, min(wanted, 2 * self._setup.config.batch_windows))

    def _news(self, handout: Handout, progress: Progress) -> Iterator[HeardBatch]:
        """What workers have to say; batches, which are committed when this goes on."""
        assert self._engine is not None
        for call in self._engine.finished(list(self._calls), timeout_s=_PATIENCE_S):
            if call not in self._calls:
                continue  # of a worker that was lost meanwhile
            seat, method = self._calls.pop(call)
            try:
                answer = self._engine.result(call)
            except WorkerDied as death:
                self._lose(seat, str(death), handout, progress)
                continue
            except AudiosearchError as error:  # what its machine lacks, others may have
                self._lose(seat, "", handout, progress)
                self._give_up(seat, error, progress)
                continue
            match method:
                case "begin":
                    self._begun(seat, answer, handout, progress)
                case "exchange":
                    self._decide(seat, answer, handout)
                case "batch":
                    yield from self._heard(seat, answer, handout, progress)

    def _begun(self, seat: _Seat, facts: WorkerFacts, handout: Handout, progress: Progress) -> None:
        """A worker is there; what keeps it from working is said, once."""
        if facts.session is not None:
            log.info("a worker on %s, with processors: %d", seat.name, seat.spot.cores)
            seat.session, seat.n_readers = facts.session, facts.n_readers
            seat.n_given = seat.n_taken = 0
            self._hand_out(handout)
            self._exchange(seat, handout)
            self._call(seat, "batch", seat.session)
            return
        if facts.lacks_model and not seat.sent_model:
            seat.sent_model = True
            seat.begins_at = 0.0
            return
        if facts.version != self._setup.version:
            reason = f"it has audiosearch {facts.version}, not {self._setup.version}"
            self._give_up(seat, AudiosearchError(reason, remedy="install the same"), progress)
        elif facts.lacks_model:
            self._give_up(seat, AudiosearchError("it cannot keep the model"), progress)
        else:
            folder = display_path(facts.unseen[0])
            self._trouble = AudiosearchError(
                f"{seat.name} does not see {folder}, or sees nothing in it",
                remedy="every machine must have the folder at the same path",
            )
            self._say(f"{self._trouble.reason}: it is left out until it does", progress)
            seat.begins_at = time.monotonic() + self._rest_s

    def _exchange(self, seat: _Seat, handout: Handout) -> None:
        """Give a worker what there is for it, and ask what it wants decided."""
        orders = WorkerOrders(seat.fresh, seat.decisions, more=handout.has_more)
        seat.n_given += len(seat.fresh)
        seat.fresh, seat.decisions = [], {}
        self._call(seat, "exchange", seat.session, orders)

    def _decide(self, seat: _Seat, answer: WorkerQuestions, handout: Handout) -> None:
        seat.n_taken = answer.n_taken
        for question in answer.questions:
            file = question.file
            seat.decisions[file.file_id] = handout.decide(file, question.opened)
        self._hand_out(handout)
        self._exchange(seat, handout)

    def _heard(
        self, seat: _Seat, batch: HeardBatch, handout: Handout, progress: Progress
    ) -> Iterator[HeardBatch]:
        """A batch, on to be committed; the worker begins the next one when it is."""
        items: list[Item] = []
        blind = False
        for item in batch.items:
            kept = handout.settled(item)
            if kept is None:
                blind = True
            else:
                items.append(kept)
            if isinstance(item, DecodedWindow):
                self._n_windows += 1
            elif isinstance(item, LAST_ITEMS):
                self._n_files += 1
                seat.files.pop(item.file.file_id, None)
        if items:
            seat.n_deaths, seat.proven = 0, True
            yield replace(batch, items=items)
        if seat.alone and not seat.files:
            seat.alone = False
        if blind:  # it says which folders it does not see when it begins anew
            self._lose(seat, "", handout, progress)
        elif seat.session is not None and not self._stopping:
            self._call(seat, "batch", seat.session)

    def _lose(self, seat: _Seat, why: str, handout: Handout, progress: Progress) -> None:
        """Forget a session; its files are read once more. `why` is empty where nobody died."""
        self._calls = {call: each for call, each in self._calls.items() if each[0] is not seat}
        died = bool(why) and seat.session is not None
        blamed = seat.alone and seat.proven  # the file, not the machine
        handout.give_back(list(seat.files.values()), died=died, alone=blamed)
        seat.session, seat.alone = None, False
        seat.files, seat.fresh, seat.decisions = {}, [], {}
        if not why:
            seat.begins_at = 0.0
            return
        self._trouble = AudiosearchError(f"a worker on {seat.name} ended: {why}")
        if died:
            progress.warn(f"{self._trouble.reason}; its files are read once more")
        seat.n_deaths += not blamed
        seat.begins_at = time.monotonic() + (self._rest_s if seat.n_deaths > 1 else 0.0)
        if seat.n_deaths >= MOST_DEATHS:
            self._give_up(seat, self._trouble, progress)

    def _give_up(self, seat: _Seat, why: AudiosearchError, progress: Progress) -> None:
        assert self._engine is not None
        self._trouble = why
        self._say(f"{seat.name} is left out: {why}", progress)
        key = (seat.spot.node_id, seat.spot.number)
        self._given_up.add(key)
        if self._seats.pop(key, None) is not None:
            self._engine.dismiss(seat.worker)

    def _say(self, message: str, progress: Progress) -> None:
        if message not in self._said:
            self._said.add(message)
            progress.warn(message)

    def _wind_up(self, handout: Handout, progress: Progress) -> Iterator[HeardBatch]:
        """The batches in hand, so that stopping costs nothing; for some seconds only."""
        self._stopping = True
        for seat in self._seats.values():
            if seat.session is not None:
                self._call(seat, "wind_up", seat.session)
        end = time.monotonic() + _LAST_S
        while time.monotonic() < end and any(
            method == "batch" for _, method in self._calls.values()
        ):
            yield from self._news(handout, progress)
