"""Where a training stands between the restarts of its learning rate.

In: a step or an epoch, the restarts and the end. Out: the cycle that it lies in. It knows no
networks and no recipe.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence


def cycle_of(at: float, restarts: Sequence[int], end: int) -> tuple[int, int]:
    """First and end of the cycle that `at` lies in; restarts after the end do not count.

    Each cycle begins where the learning rate starts anew (https://arxiv.org/abs/1608.03983).
    """
    edges = (0, *(edge for edge in restarts if edge < end), end)
    cycle = bisect.bisect_right(edges, at, hi=len(edges) - 1) - 1
    return edges[cycle], edges[cycle + 1]
