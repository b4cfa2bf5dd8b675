"""The workers of a run: hired where there are machines, begun anew when they die, or left out.

What they are asked to do, and what becomes of it when one is lost, is their users' business.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from audiosearch.cluster.types import Engine, WorkerDied, WorkerFacts, WorkerSetup, WorkerSpot
from audiosearch.errors import AudiosearchError, display_path
from audiosearch.indexing.claims import ReadingDecision
from audiosearch.store.queries.pending import PendingFile

log = logging.getLogger(__name__)

_PATIENCE_S = 0.2  # between looks at whether to stop
_LOOK_S = 2.0  # between looks at which machines there are
REST_S = 5.0  # of a worker that died or does not see the folders, before it is begun anew
LONELY_S = 300.0  # without any worker, before the run ends
MOST_DEATHS = 5  # of a worker that never got anything done


@dataclass
class Assignment:
    """What a worker that reads was given, and where it is with it."""

    files: dict[int, PendingFile] = field(default_factory=dict)  # given and not done yet
    alone: bool = False  # it reads one file that may have been the death of others
    n_given: int = 0
    n_taken: int = 0
    fresh: list[PendingFile] = field(default_factory=list)  # to be given with the next call
    decisions: dict[int, ReadingDecision] = field(default_factory=dict)


@dataclass(eq=False)
class Seat:
    """A worker, and how it fares."""

    spot: WorkerSpot
    worker: Any
    session: str | None = None
    n_readers: int = 0
    work: Assignment = field(default_factory=Assignment)
    piece: int | None = None  # of other work, the number of the piece that it has
    proven: bool = False  # it has given something
    n_deaths: int = 0  # since it gave something, those that a file is to blame for left out
    begins_at: float | None = 0.0  # None: it is at work, or being asked to begin
    sent_model: bool = False

    @property
    def name(self) -> str:
        """What a person knows it by."""
        return self.spot.node_name


@dataclass(frozen=True, eq=False)
class News:
    """What a worker answered to a call."""

    seat: Seat
    method: str
    answer: Any


class Crew:
    """The workers of an engine, which is opened when it is first needed.

    `setup` is that of a worker with all processors; `model_files` gives the files of the model;
    `on_loss(seat, why)` is told of sessions that are over, `why` being empty where nobody died.
    """

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        *,
        setup: WorkerSetup,
        model_files: Callable[[], dict[str, bytes]],
        lonely_s: float = LONELY_S,
        rest_s: float = REST_S,
    ) -> None:
        self.setup = setup
        self.seats: dict[tuple[str, int], Seat] = {}
        self.warn: Callable[[str], None] = log.warning
        self.on_loss: Callable[[Seat, str], None] = lambda _seat, _why: None
        self._open_engine = open_engine
        self._model_files = model_files
        self._lonely_s = lonely_s
        self._rest_s = rest_s
        self._engine: Engine | None = None
        self._shared_model: Any = None
        self._given_up: set[tuple[str, int]] = set()
        self._calls: dict[Hashable, tuple[Seat, str]] = {}
        self._looked_at = -_LOOK_S
        self._alive_at = time.monotonic()
        self._said: set[str] = set()
        self._trouble = AudiosearchError("the cluster has no machine with a processor to give")

    @property
    def engine(self) -> Engine:
        """What runs them.

        Raises:
            AudiosearchError: it cannot be had.
        """
        if self._engine is None:
            self._engine = self._open_engine()
        return self._engine

    def close(self) -> None:
        """End all of them."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def begin_anew(
        self,
        *,
        warn: Callable[[str], None],
        on_loss: Callable[[Seat, str], None],
        roots: Sequence[bytes],
    ) -> None:
        """Take them over for other work: what they were doing for another is forgotten.

        `roots` are absolute paths of the folders that they must see for it.
        """
        self.warn, self.on_loss = warn, on_loss
        self.setup = replace(self.setup, roots=tuple(roots))
        self._alive_at = time.monotonic()
        self._calls = {}
        for seat in self.seats.values():
            seat.session, seat.begins_at = None, 0.0
            seat.work, seat.piece = Assignment(), None

    def staff(self) -> None:
        """A worker for each place that there is, none for those that are gone.

        Raises:
            AudiosearchError: the engine does not answer.
        """
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            spots = {(spot.node_id, spot.number): spot for spot in self.engine.spots()}
            for key in self.seats.keys() - spots.keys():
                seat = self.seats.pop(key)
                self.lose(seat, "its machine is gone")
                self.engine.dismiss(seat.worker)
            for key, spot in spots.items():
                if key not in self.seats and key not in self._given_up:
                    self.seats[key] = Seat(spot, self.engine.hire(spot))
        for seat in self.seats.values():
            if seat.begins_at is not None and now >= seat.begins_at:
                self._begin(seat)

    def see_that_somebody_is_left(self) -> None:
        """Whether a worker is there, or may be had without anybody's help.

        Raises:
            AudiosearchError: none has been there for too long, or none can come.
        """
        if any(seat.session for seat in self.seats.values()):
            self._alive_at = time.monotonic()
        elif time.monotonic() - self._alive_at > self._lonely_s or (
            self._given_up and not self.seats
        ):
            raise self._trouble

    def _begin(self, seat: Seat) -> None:
        spot = seat.spot
        device = self.setup.device if spot.n_accelerators else "cpu"
        setup = replace(self.setup, cores=spot.cores, device=device)
        arguments: list[object] = [setup]
        if seat.sent_model:
            if self._shared_model is None:
                self._shared_model = self.engine.share(self._model_files())
            arguments.append(self._shared_model)
        seat.begins_at = None
        self.call(seat, "begin", *arguments)

    def call(self, seat: Seat, method: str, *arguments: object) -> None:
        """Ask a worker for something; `news` tells what becomes of it."""
        self._calls[self.engine.call(seat.worker, method, *arguments)] = (seat, method)

    def awaits(self, method: str) -> bool:
        """Whether anything is still to be told of calls of a method."""
        return any(each == method for _, each in self._calls.values())

    def news(self) -> Iterator[News]:
        """What became of calls, as soon as there is something, or nothing in time.

        Workers that died, or that lack something, are lost when this is told of.
        """
        for call in self.engine.finished(list(self._calls), timeout_s=_PATIENCE_S):
            if call not in self._calls:
                continue  # of a worker that was lost meanwhile
            seat, method = self._calls.pop(call)
            try:
                answer = self.engine.result(call)
            except WorkerDied as death:
                self.lose(seat, str(death))
            except AudiosearchError as error:  # what its machine lacks, others may have
                self.lose(seat, "")
                self._give_up(seat, error)
            else:
                yield News(seat, method, answer)

    def is_begun(self, seat: Seat, facts: WorkerFacts) -> bool:
        """Whether a worker is ready to work; what keeps it from that is said, once."""
        if facts.session is not None:
            log.info("a worker on %s, with processors: %d", seat.name, seat.spot.cores)
            seat.session, seat.n_readers = facts.session, facts.n_readers
            return True
        if facts.lacks_model and not seat.sent_model:
            seat.sent_model = True
            seat.begins_at = 0.0
        elif facts.version != self.setup.version:
            reason = f"it has audiosearch {facts.version}, not {self.setup.version}"
            self._give_up(seat, AudiosearchError(reason, remedy="install the same"))
        elif facts.lacks_model:
            self._give_up(seat, AudiosearchError("it cannot keep the model"))
        else:
            folder = display_path(facts.unseen[0])
            self._trouble = AudiosearchError(
                f"{seat.name} does not see {folder}, or sees nothing in it",
                remedy="every machine must have the folder at the same path",
            )
            self._say(f"{self._trouble.reason}: it is left out until it does")
            seat.begins_at = time.monotonic() + self._rest_s
        return False

    def has_given(self, seat: Seat) -> None:
        """A worker has got something done."""
        seat.n_deaths, seat.proven = 0, True

    def lose(self, seat: Seat, why: str) -> None:
        """Forget a session, and begin another; `why` is empty where nobody died."""
        self._calls = {call: each for call, each in self._calls.items() if each[0] is not seat}
        died = bool(why) and seat.session is not None
        blamed = seat.work.alone and seat.proven  # the file, not the machine
        self.on_loss(seat, why if died else "")
        seat.session, seat.piece, seat.work = None, None, Assignment()
        if not why:
            seat.begins_at = 0.0
            return
        self._trouble = AudiosearchError(f"a worker on {seat.name} ended: {why}")
        seat.n_deaths += not blamed
        seat.begins_at = time.monotonic() + (self._rest_s if seat.n_deaths > 1 else 0.0)
        if seat.n_deaths >= MOST_DEATHS:
            self._give_up(seat, self._trouble)

    def _give_up(self, seat: Seat, why: AudiosearchError) -> None:
        self._trouble = why
        self._say(f"{seat.name} is left out: {why}")
        key = (seat.spot.node_id, seat.spot.number)
        self._given_up.add(key)
        if self.seats.pop(key, None) is not None:
            self.engine.dismiss(seat.worker)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self.warn(message)
