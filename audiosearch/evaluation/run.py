"""Gathering what a model says of a data set: hear, embed, score every pair.

The scores are the long part (Clotho: 5.5 million pairs): done a block of windows at a time, each
saved when it is whole, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch._typing import Bools, Floats, HalfOrFloats
from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset, encode
from audiosearch.evaluation.pieces import Workers, in_order
from audiosearch.evaluation.retrieval import ScoreMatrices
from audiosearch.evaluation.work_folder import StageProgress, WorkFolder, save_arrays
from audiosearch.model.loaded import Model
from audiosearch.model.scoring import TokenIds

PAIRS = 4096  # scored between two savings: some seconds of work


@dataclass(frozen=True)
class EvaluationRun:
    """One model under test, where its half-done work lies, and who watches."""

    model: Model
    work: WorkFolder
    progress: StageProgress
    whole: bool = False  # clips are encoded in one piece, not window by window
    workers: Workers | None = None  # do the long parts in place of this process

    def encode(self, dataset: Dataset) -> EncodedDataset:
        """What the model hears in the clips; see `encode.encode`."""
        return encode(
            dataset.clips,
            model=self.model,
            work=self.work,
            progress=self.progress,
            whole=self.whole,
            workers=self.workers,
        )

    def score_matrices(
        self, captions: Sequence[str], encoded: EncodedDataset, *, relevant: Bools
    ) -> ScoreMatrices:
        """All that the model says of `captions` and what it heard.

        Args:
            captions: sentences.
            encoded: the sounds.
            relevant: (n_clips, n_captions) which belong together.
        """
        scorer = self.model.scorer
        tokens = [scorer.encode(text) for text in captions]
        table = loss_table(
            captions,
            encoded,
            model=self.model,
            work=self.work,
            progress=self.progress,
            workers=self.workers,
        )
        return ScoreMatrices(
            cross_entropies=table.cross_entropies,
            without_sound=table.without_sound,
            cosine=self.cosines(captions, encoded),
            owners=encoded.owners,
            relevant=relevant,
            weights=self.model.bundle.score,
            lift_weights=np.array([scorer.lift_weight(ids) for ids in tokens]),
            known=np.array([scorer.known(ids) for ids in tokens]),
        )

    def cosines(self, captions: Sequence[str], encoded: EncodedDataset) -> Floats | None:
        """(n_windows, n_captions) likeness in the joint space; None where there is none."""
        if self.model.tower is None:
            return None
        likeness: Floats = encoded.joint @ self.model.tower.embed(captions).T
        return likeness

    def facts(self, dataset: Dataset, encoded: EncodedDataset) -> tuple[tuple[str, str], ...]:
        """What was tested on what, for the head of a report."""
        bundle = self.model.bundle
        return (
            ("model", f"{bundle.name} {bundle.version} ({bundle.fingerprint[:12]})"),
            ("device", self.model.decoder.device.name),
            ("data set", dataset.name),
            ("clips", str(len(dataset.clips))),
            ("clips missing", str(dataset.n_missing)),
            ("captions", str(len(dataset.captions))),
            ("windows", f"{len(encoded.frames)} ({'whole clips' if self.whole else 'cut'})"),
        )


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
    model: Model,
    work: WorkFolder,
    progress: StageProgress,
    workers: Workers | None = None,
) -> LossTable:
    """The losses of all `captions` with all windows, begun or finished in `work`."""
    scorer = model.scorer
    ids = [scorer.encode(caption) for caption in captions]
    distinct = sorted(set(ids), key=lambda one: (len(one), one))
    place = {one: row for row, one in enumerate(distinct)}
    words = (" ".join(map(str, one)) for one in distinct)
    folder = work.part("losses", encoded.key, *scorer.kept_by, *words)
    table = _fill(folder, distinct, encoded, model=model, progress=progress, workers=workers)
    columns = np.array([place[one] for one in ids], dtype=np.int64)
    return LossTable(table[:, columns], scorer.without_sound(ids))


def _fill(
    folder: Path,
    captions: Sequence[TokenIds],
    encoded: EncodedDataset,
    *,
    model: Model,
    progress: StageProgress,
    workers: Workers | None,
) -> Floats:
    """The table (n_windows, n_distinct); blocks of rows that are on disk are not computed again."""
    n_windows, n_captions = len(encoded.frames), len(captions)
    step = max(1, PAIRS // n_captions)
    blocks = [range(start, min(start + step, n_windows)) for start in range(0, n_windows, step)]
    files = [folder / f"{block.start:07d}.npz" for block in blocks]
    missing = [place for place, file in enumerate(files) if not file.is_file()]
    done = n_windows - sum(len(blocks[place]) for place in missing)
    progress.start("scoring pairs", total=n_windows * n_captions, done=done * n_captions)
    frames = ([encoded.frames[row] for row in blocks[place]] for place in missing)
    scored = in_order(losses_of, frames, common=captions, model=model, workers=workers)
    for place, losses in zip(missing, scored, strict=True):
        save_arrays(files[place], ["losses"], [losses])
        progress.advance(losses.size)
    return np.concatenate([_read(file) for file in files])


def losses_of(model: Model, captions: Sequence[TokenIds], frames: Sequence[HalfOrFloats]) -> Floats:
    """A piece of work: (n_windows, n_captions) losses of windows given as their frames."""
    memory = model.scorer.listen(frames)
    parts = [
        model.scorer.cross_entropies(captions[first : first + PAIRS], memory).T
        for first in range(0, len(captions), PAIRS)
    ]
    return np.concatenate(parts, axis=1)


def _read(file: Path) -> Floats:
    with np.load(file, allow_pickle=False) as saved:
        losses: Floats = saved["losses"]
        return losses


def need_captions(dataset: Dataset) -> None:
    """Refuse a data set without captions.

    Raises:
        DatasetError: it has none.
    """
    if not dataset.captions:
        raise DatasetError(
            f"{dataset.name} has no captions",
            remedy="evaluate tags and evaluate scenes take labelled folders",
        )


def need_labels(dataset: Dataset) -> None:
    """Refuse a data set with clips that nobody named.

    Raises:
        DatasetError: it has some; the message names them.
    """
    nameless = [clip.name for clip in dataset.clips if not clip.label]
    if nameless:
        more = f" and {len(nameless) - 5} more" if len(nameless) > 5 else ""
        raise DatasetError(
            f"{dataset.name} has clips without a label: {', '.join(nameless[:5])}{more}",
            remedy="give it a column label",
        )
