"""What the daemon asks of a library; the real one is `library.watching.LibraryKeeper`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from audiosearch.indexing.interfaces import IndexReport, Progress
from audiosearch.indexing.sync import ScanRules
from audiosearch.store.queries.places import Place, Root


class Keeper(Protocol):
    """What the daemon asks of a library; each call may raise `AudiosearchError`."""

    def roots(self) -> Sequence[Root]:
        """The folders of the library, as they are now."""

    def nudged_at(self) -> int:
        """A number that changes when a person wants all folders looked at."""

    def is_known(self, place: Place) -> bool:
        """Whether some file at a place, or below it, is in the library and not missing."""

    def index(
        self, places: Sequence[Place], *, rules: ScanRules, progress: Progress
    ) -> IndexReport:
        """Bring the library up to date with these places; ends early when the daemon stops."""

    def tidy(self) -> None:
        """Do what can wait; ends early when the daemon stops."""
