"""Gathering what a model says of a data set: hear, embed, score every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Bools, Floats
from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset, encode
from audiosearch.evaluation.retrieval import ScoreMatrices
from audiosearch.evaluation.score_matrix import loss_table
from audiosearch.evaluation.work_folder import StageProgress, WorkFolder
from audiosearch.model.loaded import Model


@dataclass(frozen=True)
class EvaluationRun:
    """One model under test, where its half-done work lies, and who watches."""

    model: Model
    work: WorkFolder
    progress: StageProgress
    whole: bool = False  # clips are encoded in one piece, not window by window

    def encode(self, dataset: Dataset) -> EncodedDataset:
        """What the model hears in the clips; see `encode.encode`."""
        return encode(
            dataset.clips,
            model=self.model,
            work=self.work,
            progress=self.progress,
            whole=self.whole,
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
        table = loss_table(captions, encoded, scorer=scorer, work=self.work, progress=self.progress)
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
