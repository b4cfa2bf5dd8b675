"""Work in pieces that hang on nothing but their arguments: captioning, and parts of evaluations.

A piece whose worker dies is done by another; results come in the order of the pieces.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from audiosearch.cluster.crew import Crew, News, Seat
from audiosearch.errors import AudiosearchError

if TYPE_CHECKING:
    from audiosearch.model.loaded import Model

DEADLY: Final = 3  # workers that may die over one piece
_AHEAD: Final = 2  # pieces a worker that are begun before the first of them is told of

Result_co = TypeVar("Result_co", covariant=True)
Result = TypeVar("Result")


class PieceFunction(Protocol[Result_co]):
    """A function of a module, known on all machines by its name."""

    def __call__(self, model: Model, common: Any, given: Any, /) -> Result_co:
        """Do a piece: with the model that is there, what all pieces share, and its own part."""


@dataclass(frozen=True)
class Piece(Generic[Result_co]):
    """A function, and what it is given."""

    function: PieceFunction[Result_co]
    argument: Any


def in_pieces(
    crew: Crew,
    pieces: Iterator[Piece[Result]],
    *,
    common: object = None,
    roots: Sequence[bytes] = (),
    warn: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Iterator[Result]:
    """Do pieces on the workers of a crew.

    They are asked for as they are needed: a few more than there are workers are under way.

    Args:
        crew: who does them.
        pieces: what is done.
        common: what all pieces share; sent to each machine once.
        roots: folders that a machine must see to take part.
        warn: is told of workers that die, or are left out.
        stop: ends it, whatever is under way.

    Raises:
        AudiosearchError: no worker is left, or a piece was the death of several.
    """
    first = next(pieces, None)
    if first is not None:
        run = _Pieces(crew, first, pieces, common=common, roots=roots, warn=warn)
        yield from run.results(stop or threading.Event())


class _Pieces(Generic[Result]):
    """The pieces of a run: which are to be done, under way, or done before those ahead of them."""

    def __init__(
        self,
        crew: Crew,
        first: Piece[Result],
        rest: Iterator[Piece[Result]],
        *,
        common: object,
        roots: Sequence[bytes],
        warn: Callable[[str], None],
    ) -> None:
        self._crew = crew
        self._rest = rest
        self._warn = warn
        self._next: Piece[Result] | None = first
        self._n_taken = self._n_told = 0
        self._again: deque[int] = deque()
        self._open: dict[int, Piece[Result]] = {}  # taken, and not told of
        self._done: dict[int, Result] = {}
        self._deaths: Counter[int] = Counter()
        self._fatal: AudiosearchError | None = None
        crew.begin_anew(warn=warn, on_loss=self._lost, roots=roots)
        self._common = None if common is None else crew.engine.share(common)

    def results(self, stop: threading.Event) -> Iterator[Result]:
        """What the pieces gave, in their order."""
        while not stop.is_set() and (self._next is not None or self._open):
            self._crew.staff()
            self._hand_out()
            for news in self._crew.news():
                self._take(news)
            if self._fatal is not None:
                raise self._fatal
            while self._n_told in self._done:
                result = self._done.pop(self._n_told)
                del self._open[self._n_told]
                self._n_told += 1
                yield result
            self._crew.see_that_somebody_is_left()

    def _take(self, news: News) -> None:
        seat = news.seat
        if news.method == "begin":
            self._crew.is_begun(seat, news.answer)
        elif news.method == "do" and seat.piece is not None:
            self._done[seat.piece] = news.answer
            seat.piece = None
            self._crew.has_given(seat)

    def _hand_out(self) -> None:
        idle = [s for s in self._crew.seats.values() if s.session and s.piece is None]
        for seat in idle:
            number = self._number()
            if number is None:
                return
            seat.piece = number
            piece = self._open[number]
            self._crew.call(seat, "do", seat.session, piece.function, self._common, piece.argument)

    def _number(self) -> int | None:
        """The next piece to be done; None: there is none, or enough wait to be told of."""
        if self._again:
            return self._again.popleft()
        most = _AHEAD * max(1, len(self._crew.seats))
        if self._next is None or self._n_taken - self._n_told >= most:
            return None
        number = self._n_taken
        self._open[number] = self._next
        self._n_taken += 1
        self._next = next(self._rest, None)
        return number

    def _lost(self, seat: Seat, why: str) -> None:
        if why:
            self._warn(f"a worker on {seat.name} ended: {why}; what it was doing is done once more")
        number = seat.piece
        if number is None:
            return
        self._again.append(number)
        self._deaths[number] += bool(why)
        if self._deaths[number] >= DEADLY:
            self._fatal = AudiosearchError(
                f"{DEADLY} workers died over the same piece of work: {why}"
            )
