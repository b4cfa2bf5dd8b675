"""Cross-entropies of every caption with every window.

The long part of an evaluation (Clotho: 5.5 million pairs): done a block of windows at a time, each
saved when it is whole, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch._typing import Floats
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.work_folder import StageProgress, WorkFolder, save_arrays
from audiosearch.model.memory import AudioMemory
from audiosearch.model.scoring import CaptionScorer, TokenIds

PAIRS = 4096  # scored between two savings: some seconds of work


@dataclass(frozen=True)
class LossTable:
    """Cross-entropies in nats a word; lower is better.

    Attributes:
        cross_entropies: (n_windows, n_captions).
        without_sound: (n_captions,) the same with nothing to hear.
    """

    cross_entropies: Floats
    without_sound: Floats


def loss_table(
    captions: Sequence[str],
    encoded: EncodedDataset,
    *,
    scorer: CaptionScorer,
    work: WorkFolder,
    progress: StageProgress,
) -> LossTable:
    """The losses of all `captions` with all windows, begun or finished in `work`."""
    ids = [scorer.encode(caption) for caption in captions]
    distinct = sorted(set(ids), key=lambda one: (len(one), one))
    place = {one: row for row, one in enumerate(distinct)}
    folder = work.part("losses", encoded.key, *(" ".join(map(str, one)) for one in distinct))
    table = _fill(folder, distinct, encoded, scorer=scorer, progress=progress)
    columns = np.array([place[one] for one in ids], dtype=np.int64)
    return LossTable(table[:, columns], scorer.without_sound(ids))


def _fill(
    folder: Path,
    captions: Sequence[TokenIds],
    encoded: EncodedDataset,
    *,
    scorer: CaptionScorer,
    progress: StageProgress,
) -> Floats:
    """The table (n_windows, n_distinct); blocks of rows that are on disk are not computed again."""
    n_windows, n_captions = len(encoded.frames), len(captions)
    step = max(1, PAIRS // n_captions)
    blocks = [range(start, min(start + step, n_windows)) for start in range(0, n_windows, step)]
    files = [folder / f"{block.start:07d}.npz" for block in blocks]
    done = sum(len(block) for block, file in zip(blocks, files, strict=True) if file.is_file())
    progress.start("scoring pairs", total=n_windows * n_captions, done=done * n_captions)
    for block, file in zip(blocks, files, strict=True):
        if not file.is_file():
            memory = scorer.decoder.memory([encoded.frames[row] for row in block])
            save_arrays(file, ["losses"], [_block(captions, memory, scorer, progress)])
    return np.concatenate([_read(file) for file in files])


def _block(
    captions: Sequence[TokenIds],
    memory: AudioMemory,
    scorer: CaptionScorer,
    progress: StageProgress,
) -> Floats:
    """(n_windows, n_captions) losses of the windows of `memory`."""
    parts = []
    for first in range(0, len(captions), PAIRS):
        scored = scorer.cross_entropies(captions[first : first + PAIRS], memory)
        parts.append(scored.T)
        progress.advance(scored.size)
    return np.concatenate(parts, axis=1)


def _read(file: Path) -> Floats:
    with np.load(file, allow_pickle=False) as saved:
        losses: Floats = saved["losses"]
        return losses
