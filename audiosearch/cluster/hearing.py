"""The driver: gives files to workers, decides about sounds, takes batches in to be committed.

A worker has one batch under way at most, and begins the next one when that is committed: so no more
is ever repeated, whoever dies. Files of a worker that died go to others, from what is committed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from audiosearch._typing import Floats
from audiosearch.cluster.crew import Crew, News, Seat
from audiosearch.cluster.handout import Handout
from audiosearch.cluster.pieces import Piece, in_pieces
from audiosearch.cluster.types import WorkerOrders, WorkerQuestions
from audiosearch.indexing.claims import SoundClaims
from audiosearch.indexing.types import LAST_ITEMS, DecodedWindow, HeardBatch, Item, Progress
from audiosearch.store.queries.pending import PendingFile

if TYPE_CHECKING:
    from audiosearch.model.captioner import CaptionOut
    from audiosearch.model.loaded import Model

log = logging.getLogger(__name__)

_LAST_S = 10.0  # for batches in hand when the run is stopped

Result = TypeVar("Result")


def captions_of(model: Model, _common: object, frames: Sequence[Floats]) -> list[CaptionOut]:
    """A piece of work: a sentence for each window's frames (T_i, D)."""
    return model.captioner.captions(frames)


class ClusterHearing:
    """Reads and encodes on the workers of a crew; see `indexing.types.Hearing`.

    A context manager; the engine is opened when there is something to read, and closed at the end.
    `warn` is told of workers that die over pieces of other work, or are left out.
    """

    def __init__(
        self,
        crew: Crew,
        *,
        warn: Callable[[str], None] = log.warning,
    ) -> None:
        self._crew = crew
        self._roots = crew.setup.roots
        self._warn = warn
        self._batch_windows = crew.setup.config.batch_windows
        self._stopping = False
        self._n_windows = self._n_files = 0  # done, to tell how many files make a batch

    def __enter__(self) -> ClusterHearing:
        return self

    def __exit__(self, *_error: object) -> None:
        self._crew.close()

    def pieces_done(
        self,
        pieces: Iterator[Piece[Result]],
        *,
        common: object = None,
        roots: Sequence[bytes] = (),
    ) -> Iterator[Result]:
        """Results of pieces of other work, in their order; see `pieces.in_pieces`."""
        return in_pieces(self._crew, pieces, common=common, roots=roots, warn=self._warn)

    def captions(
        self, batches: Iterator[Sequence[Floats]], *, progress: Progress, stop: threading.Event
    ) -> Iterator[Sequence[CaptionOut]]:
        """See `indexing.types.Hearing`."""
        pieces = (Piece(captions_of, batch) for batch in batches)
        return in_pieces(self._crew, pieces, warn=progress.warn, stop=stop)

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
        handout = Handout(files, claims)
        self._stopping = False

        def lost(seat: Seat, why: str) -> None:
            """Its files are read once more."""
            blamed = seat.work.alone and seat.proven  # the file, not the machine
            handout.give_back(list(seat.work.files.values()), died=bool(why), alone=blamed)
            if why:
                progress.warn(f"a worker on {seat.name} ended: {why}; its files are read once more")

        self._crew.begin_anew(warn=progress.warn, on_loss=lost, roots=self._roots)
        while not stop.is_set():
            self._crew.staff()
            self._hand_out(handout)
            yield from self._news(handout)
            if failed := handout.take_failed():
                yield HeardBatch(failed, [], {})
            if handout.is_done and not any(s.work.files for s in self._crew.seats.values()):
                return
            self._crew.see_that_somebody_is_left()
        yield from self._wind_up(handout)

    def _hand_out(self, handout: Handout) -> None:
        """Files to those that soon have none to take up; see `_ahead`."""
        if self._stopping:
            return
        for seat in self._crew.seats.values():
            work = seat.work
            if seat.session is None or work.alone:
                continue
            wanted = self._ahead(seat) - (work.n_given + len(work.fresh) - work.n_taken)
            while wanted > 0 and (file := handout.take()) is not None:
                work.fresh.append(file)
                work.files[file.file_id] = file
                wanted -= 1
            if not work.files and (file := handout.take_suspect()) is not None:
                work.alone = True
                work.fresh.append(file)
                work.files[file.file_id] = file

    def _ahead(self, seat: Seat) -> int:
        """How many files may wait at a worker: so many as make a batch.

        Fewer, and workers would wait for files; more, and some would have much left to do at the
        end of a run while others have nothing.
        """
        each = self._n_windows / self._n_files if self._n_files else 4.0
        wanted = round(self._batch_windows / max(each, 1.0))
        return max(seat.n_readers, min(wanted, 2 * self._batch_windows))

    def _news(self, handout: Handout) -> Iterator[HeardBatch]:
        """What workers have to say; batches, which are committed when this goes on."""
        for news in self._crew.news():
            match news.method:
                case "begin":
                    if self._crew.is_begun(news.seat, news.answer):
                        self._hand_out(handout)
                        self._exchange(news.seat, handout)
                        self._crew.call(news.seat, "batch", news.seat.session)
                case "exchange":
                    self._decide(news.seat, news.answer, handout)
                case "batch":
                    yield from self._heard(news, handout)

    def _exchange(self, seat: Seat, handout: Handout) -> None:
        """Give a worker what there is for it, and ask what it wants decided."""
        work = seat.work
        orders = WorkerOrders(work.fresh, work.decisions, more=handout.has_more)
        work.n_given += len(work.fresh)
        work.fresh, work.decisions = [], {}
        self._crew.call(seat, "exchange", seat.session, orders)

    def _decide(self, seat: Seat, answer: WorkerQuestions, handout: Handout) -> None:
        seat.work.n_taken = answer.n_taken
        for question in answer.questions:
            file = question.file
            seat.work.decisions[file.file_id] = handout.decide(file, question.opened)
        self._hand_out(handout)
        self._exchange(seat, handout)

    def _heard(self, news: News, handout: Handout) -> Iterator[HeardBatch]:
        """A batch, on to be committed; the worker begins the next one when it is."""
        seat, batch = news.seat, news.answer
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
                seat.work.files.pop(item.file.file_id, None)
        if items:
            self._crew.has_given(seat)
            yield replace(batch, items=items)
        if seat.work.alone and not seat.work.files:
            seat.work.alone = False
        if blind:  # it says which folders it does not see when it begins anew
            self._crew.lose(seat, "")
        elif seat.session is not None and not self._stopping:
            self._crew.call(seat, "batch", seat.session)

    def _wind_up(self, handout: Handout) -> Iterator[HeardBatch]:
        """The batches in hand, so that stopping costs nothing; for some seconds only."""
        self._stopping = True
        for seat in self._crew.seats.values():
            if seat.session is not None:
                self._crew.call(seat, "wind_up", seat.session)
        end = time.monotonic() + _LAST_S
        while time.monotonic() < end and self._crew.awaits("batch"):
            yield from self._news(handout)
