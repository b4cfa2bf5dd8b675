"""What the decoder attends to, and taking rows of it wherever it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch._typing import Floats, HalfOrFloats, Ints
from audiosearch.model.bundle import BundleFile
from audiosearch.model.runtime.device_array import DeviceArray
from audiosearch.model.runtime.session import GraphSession, RuntimeOptions, empty

ROWS_GRAPH = Path(__file__).with_name("rows.onnx")


@dataclass(frozen=True)
class AudioMemory:
    """What the decoder attends to: cross-attention keys and values of B sounds.

    `keys` and `values` are (B, L, H, T, d), frames at and after `lengths` (B,) are padding.

    Where they are held on a device, `frames` are what they were made of, as the device may give
    up, and `rows` (B,) are the rows of them that are meant, if these are not all of them in order:
    they are gathered when a graph needs them (`Gather`).
    """

    keys: Floats | DeviceArray
    values: Floats | DeviceArray
    lengths: Ints
    frames: Sequence[HalfOrFloats] = ()
    rows: Ints | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Ints) -> AudioMemory:
        """The memory of some rows, in that order, repeats allowed.

        Arrays become no longer than these rows need; held ones keep their padding.
        """
        lengths = self.lengths[rows]
        if isinstance(self.keys, DeviceArray) or isinstance(self.values, DeviceArray):
            frames = [self.frames[row] for row in rows.tolist()]
            meant = rows if self.rows is None else self.rows[rows]
            return AudioMemory(self.keys, self.values, lengths, frames, meant)
        longest = int(lengths.max(initial=1))
        chosen: Ints | slice = rows
        if len(rows) and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
            chosen = slice(int(rows[0]), int(rows[0]) + len(rows))  # neighbours need no copy
        return AudioMemory(
            self.keys[:, :, :, :longest][chosen], self.values[:, :, :, :longest][chosen], lengths
        )


def lengths_of(frames: Sequence[HalfOrFloats]) -> Ints:
    """How many frames each sound has (B,).

    Raises:
        ValueError: there is no sound, or one without frames.
    """
    if not frames:
        raise ValueError("the memory of no sound at all")
    lengths = np.array([len(rows) for rows in frames], dtype=np.int64)
    if lengths.min() == 0:
        raise ValueError("a sound without frames has no memory")
    return lengths


def padded(frames: Sequence[HalfOrFloats], *, longest: int) -> Floats:
    """The frames (T_i, D) of sounds as one array (B, longest, D), with zeros behind them."""
    rows = empty((len(frames), longest, frames[0].shape[1]))
    for row, given in zip(rows, frames, strict=True):
        row[: len(given)] = given
    return rows


class Gather:
    """Takes rows of arrays with five axes, on the device that holds them.

    By a graph of one operator (`rows.onnx`) that belongs to the program and not to a bundle.
    """

    def __init__(self, *, options: RuntimeOptions) -> None:
        content = ROWS_GRAPH.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        graph = BundleFile(path=ROWS_GRAPH, sha256=sha256, size=len(content))
        self.session = GraphSession(graph, options=options)

    def take(self, values: DeviceArray, rows: Ints) -> Floats | DeviceArray:
        """`values[rows]`; the very same if that changes nothing.

        Raises:
            OutOfMemory: the device has no room for it, or is no longer used.
        """
        count = values.shape[0]
        if len(rows) == count and np.array_equal(rows, np.arange(count)):
            return values
        _, [taken] = self.session.run_holding([], ["taken"], {"values": values, "rows": rows})
        return taken
