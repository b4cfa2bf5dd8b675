"""The long parts of an evaluation, piece by piece: in this process, or by the workers of a cluster.

A piece hangs on nothing but its arguments, so figures are the same wherever it is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from audiosearch.cluster.pieces import Piece, PieceFunction

if TYPE_CHECKING:
    from audiosearch.model.loaded import Model

Result = TypeVar("Result")


class Workers(Protocol):
    """Who does pieces elsewhere (`cluster.hearing.ClusterHearing`)."""

    def pieces_done(
        self, pieces: Iterator[Piece[Result]], *, common: object, roots: Sequence[bytes]
    ) -> Iterator[Result]:
        """Results of pieces, in their order, by those who see the folders `roots`."""


def in_order(
    function: PieceFunction[Result],
    givens: Iterator[Any],
    *,
    common: object,
    model: Model,
    workers: Workers | None,
    roots: Sequence[bytes] = (),
) -> Iterator[Result]:
    """What `function` gives for each of `givens`, in their order.

    Workers that do not see the folders `roots` are left out.

    Raises:
        AudiosearchError: nobody is left to do it.
    """
    if workers is None:
        return (function(model, common, given) for given in givens)
    pieces = (Piece(function, given) for given in givens)
    return workers.pieces_done(pieces, common=common, roots=roots)
