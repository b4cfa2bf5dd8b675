"""Windows of a longer sound, whose frames are computed once and shared by all that hold them.

The encoder's graph runs in two parts: frames of the whole sound, then what a window says of its
own. Frames near a window's ends know what lies beyond them, which those of a lone window do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyArray, Floats
from audiosearch.errors import BundleError
from audiosearch.model.bundle import PROCESSOR_ENCODER, Bundle, BundleFile, FrameGrid
from audiosearch.model.graph_parts import CUT, GraphHalf, Half
from audiosearch.model.runtime.session import GraphSession, RuntimeOptions


@dataclass(frozen=True, eq=False)
class SoundParts:
    """A sound (n,) and windows of it: `length` samples from each of `starts`."""

    samples: Floats
    starts: tuple[int, ...]
    length: int


def encoder_graph(bundle: Bundle, options: RuntimeOptions) -> BundleFile:
    """The encoder that `options` run: for processors in 8 bits, where there is one."""
    graphs = bundle.graphs
    return options.for_processor(graphs, PROCESSOR_ENCODER) or graphs["encoder"]


class SharedFrames:
    """The two parts of an encoder, loaded at once.

    Raises:
        BundleError: the graph cannot be cut or loaded, though its bundle says so.
    """

    def __init__(self, bundle: Bundle, grid: FrameGrid, *, options: RuntimeOptions) -> None:
        self._bundle = bundle
        self._grid = grid
        self._sound = self._loaded(Half.SOUND, options)
        self._window = self._loaded(Half.WINDOW, options)

    @property
    def workers(self) -> int:
        """How many sounds at the same time keep the device busy; see `parallel_map`."""
        return self._sound.workers

    def run(self, sound: SoundParts, names: Sequence[str]) -> list[AnyArray]:
        """The encoder's outputs `names` for the windows of a sound, a row each.

        Raises:
            MemoryError: there is no room for it.
            BundleError: the graph does not give what the manifest says.
        """
        waveform = np.ascontiguousarray(sound.samples, np.float32)[None]
        [found] = self._sound.run_anywhere([CUT], {"waveform": waveform})
        step = self._grid.samples
        width = max(1, sound.length // step)
        axis = self._time_axis(found, len(sound.samples) // step)
        total = found.shape[axis]
        if width > total:
            raise self._unfit(f"gives {total} frames, fewer than a window has")
        firsts = [min(round(start / step), total - width) for start in sound.starts]
        cut = [np.take(found[0], range(at, at + width), axis=axis - 1) for at in firsts]
        return self._window.run_anywhere(names, {CUT: np.stack(cut)})

    def _time_axis(self, found: AnyArray, expected: int) -> int:
        """The axis of (1, ., .) along which the frames lie."""
        near = [abs(n - expected) < 2 for n in found.shape]
        axes = [axis for axis in (1, 2) if len(near) == 3 and near[axis]]
        if not axes:
            raise self._unfit(f"gives an array of shape {found.shape}, not {expected} frames")
        return axes[-1]

    def _loaded(self, half: Half, options: RuntimeOptions) -> GraphSession:
        whole = encoder_graph(self._bundle, options)
        part = GraphHalf(path=whole.path, sha256=whole.sha256, size=whole.size, half=half)
        return GraphSession(part, options=options, fused=True, shared=True)

    def _unfit(self, reason: str) -> BundleError:
        return BundleError(
            f"the encoder {reason}",
            path=self._bundle.graphs["encoder"].path,
            remedy="audiosearch models verify; or set index.exact_windows",
        )
