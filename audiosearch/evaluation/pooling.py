"""From windows to sounds: a sound is as good an answer as its best window.

In go values (n_windows, ...), out come values (n_sounds, ...). The windows of a sound stand
together, in the order of the sounds.
"""

from __future__ import annotations

import numpy as np

from audiosearch._typing import AnyFloats, Ints, Positions


def first_windows(owners: Ints) -> Positions:
    """The place of each sound's first window; `owners` (n_windows,) is 0, 0, 1, 2, 2 ...

    Raises:
        ValueError: the windows are out of order, or a sound has none.
    """
    steps = np.diff(owners, prepend=-1)
    if len(owners) == 0 or steps[0] != 1 or ((steps != 0) & (steps != 1)).any():
        raise ValueError("the windows must stand in the order of their sounds, none left out")
    return np.flatnonzero(steps)


def pool_least(values: AnyFloats, owners: Ints) -> AnyFloats:
    """The least value of each sound's windows, for costs."""
    return np.minimum.reduceat(values, first_windows(owners), axis=0)


def pool_greatest(values: AnyFloats, owners: Ints) -> AnyFloats:
    """The greatest value of each sound's windows, for likeness."""
    return np.maximum.reduceat(values, first_windows(owners), axis=0)
