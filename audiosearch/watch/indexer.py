"""What the daemon asks of a library; the real one is `watch.daemon.LibraryKeeper`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from audiosearch.indexing.sync import ScanRules
from audiosearch.indexing.types import IndexReport, Progress
from audiosearch.store.queries.places import Root, RootPath


class Keeper(Protocol):
    """What the daemon asks of a library; each call may raise `AudiosearchError`."""

    def roots(self) -> Sequence[Root]:
        """The folders of the library, as they are now."""

    def occasion(self) -> Hashable:
        """What is another one when all folders are to be looked at: a wish, or a new model."""

    def is_known(self, place: RootPath) -> bool:
        """Whether some file at a place, or below it, is in the library and not missing."""

    def index(
        self, places: Sequence[RootPath], *, rules: ScanRules, progress: Progress
    ) -> IndexReport:
        """Bring the library up to date with these places.

        Ends early when the daemon stops, another command waits to write, or the model is another.
        """

    def tidy(self) -> None:
        """Do what can wait; ends early when the daemon stops."""
