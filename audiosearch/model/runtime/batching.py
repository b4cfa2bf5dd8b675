"""How many rows a graphics card takes at once, learned from the first run. Touches no card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")

FIRST = 4  # rows of the run that is measured
MOST = 64  # more than this keep no card busier
SHARE = 0.7  # of what is free: the rest is for the decoder, for other programs and for gaps


@dataclass(frozen=True)
class Need:
    """What one run took.

    Attributes:
        rows: how many rows it had.
        n_samples: length of each.
        before: bytes free before it.
        after: bytes free after it.
    """

    rows: int
    n_samples: int
    before: int
    after: int


def rows_that_fit(need: Need, *, n_samples: int, most: int = MOST) -> int:
    """Rows of `n_samples` each that fit into what was free before `need`: 1 to `most`.

    The memory that a run took stays with the runtime, which uses it again, so what is free falls by
    what the largest run needed. That is in proportion to its samples. One that took nothing tells
    nothing: `most`.
    """
    taken = need.before - need.after
    if taken <= 0:
        return most
    each = taken * n_samples / (need.rows * need.n_samples)
    return max(1, min(most, int(SHARE * need.before / each)))


class BatchSizer:
    """How many rows a run may have on one card, over the life of a session.

    Args:
        free: bytes free on the card; None where nobody tells, and then only a refusal teaches.
    """

    def __init__(self, free: Callable[[], int | None]) -> None:
        self._free = free
        self._most = MOST
        self._need: Need | None = None
        self._silent = False

    def rows(self, n_samples: int) -> int:
        """Rows of `n_samples` samples that the next run may have."""
        if self._need is not None:
            return rows_that_fit(self._need, n_samples=n_samples, most=self._most)
        if self._silent or self._free() is None:
            self._silent = True
            return self._most
        return min(FIRST, self._most)

    def run(self, work: Callable[[], Result], *, rows: int, n_samples: int) -> Result:
        """What `work` gives, a run of so many rows; the first one is measured."""
        if self._need is not None or self._silent:
            return work()
        before = self._free()
        result = work()
        after = self._free()
        if before is None or after is None:
            self._silent = True
        else:
            self._need = Need(rows, n_samples, before, after)
        return result

    def refused(self, rows: int) -> None:
        """A run of `rows` rows found no room: half as many from now on."""
        self._most = max(1, rows // 2)
