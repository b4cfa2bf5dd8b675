"""Sounds to take ranges of numbers from: windows of a folder's files, or of generated examples.

In: a folder or none, and the bundle whose rate and window count. Out: at most sixty-four windows,
spread evenly over the files. Files that cannot be read are left out.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from itertools import islice
from pathlib import Path

from audiosearch._typing import Floats
from audiosearch.audio.sandbox.client import Worker
from audiosearch.audio.windows import windows
from audiosearch.errors import DecodeError
from audiosearch.indexing.walk import Problem, walk
from audiosearch.model.bundle import Bundle
from audiosearch.store.queries.places import join
from audiosearch.training.synth.examples import write_examples

MOST = 64  # windows: more move the ranges of no layer by much
SEEDS = 3  # of the generated examples: of one alone, ranges fit its own sounds too closely
A_FILE = 4  # windows, so that one long file does not stand for all


def calibration_sounds(bundle: Bundle, *, folder: Path | None) -> list[Floats]:
    """Windows (n,) that are not silent, of the files below `folder`, or of generated sounds."""
    if folder is not None:
        return _windows(_files(folder), bundle)
    with tempfile.TemporaryDirectory() as place:
        made = [
            os.fsencode(path)
            for seed in range(SEEDS)
            for path in write_examples(Path(place, str(seed)), seed=seed)
        ]
        return _windows(made, bundle)


def _files(folder: Path) -> list[bytes]:
    root = os.fsencode(folder.absolute())
    found = walk(root, on_problem=_left_out)
    paths = sorted(join(root, each.path) for each in found)
    return paths[:: max(1, len(paths) // MOST)]


def _left_out(problem: Problem) -> None:
    """A folder that cannot be read gives no sounds, which is no reason to stop."""


def _windows(paths: list[bytes], bundle: Bundle) -> list[Floats]:
    heard: list[Floats] = []
    with Worker() as worker:  # the files may be anything
        for path in paths:
            with contextlib.suppress(DecodeError):
                worker.open(path, sample_rate=bundle.sample_rate)
                cut = windows(
                    worker.blocks(),
                    sample_rate=bundle.sample_rate,
                    window_s=bundle.window_s,
                    hop_s=bundle.window_s,
                )
                heard += islice((each.samples for each in cut if not each.silent), A_FILE)
            if len(heard) >= MOST:
                break
    return heard[:MOST]
