"""Fits how much words in names and texts count beside what a finished bundle hears.

Trains nothing: labelled clips are heard with the bundle, each label is asked for in usual words
(and in other words, where `phrasings` has them), and the weight of `training.text_weight` is
chosen from the scores. `--write` puts it into the bundle's manifest and calibration, which
changes neither its files nor its fingerprint.

python -m benchmarks.text_weight manifest.csv [--held-out] [--bundle FOLDER] [--write]
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.ranking import pool_greatest
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.scenes.grammar import wording
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.model.bundle import Bundle
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.training.calibrate import read_calibration, write_calibration
from audiosearch.training.export.bundle import rescore_bundle
from audiosearch.training.stages import CALIBRATION_FILE
from audiosearch.training.text.esc50 import read_phrasings
from audiosearch.training.text_weight import FittedTextWeight, TextWeightTrial, fit_text_weight
from benchmarks.clip_options import chosen_clips, clip_options


def heard_trials(dataset: Dataset, run: EvaluationRun) -> list[TextWeightTrial]:
    """Every label asked for in usual words, and those that have them in other words."""
    heard = run.encode(dataset)
    phrasings = read_phrasings()
    usual = {
        label: phrasings[label].usual if label in phrasings else wording(label).thing
        for label in dataset.labels
    }
    other = {label: phrasings[label].other for label in dataset.labels if label in phrasings}
    return [_heard_trial(dataset, run, heard, asked) for asked in (usual, other) if asked]


def _heard_trial(
    dataset: Dataset, run: EvaluationRun, heard: EncodedDataset, asked: Mapping[str, str]
) -> TextWeightTrial:
    labels = list(asked)
    right = np.array([[clip.label == label for label in labels] for clip in dataset.clips])
    evidence = run.score_matrices(list(asked.values()), heard, relevant=right)
    scores = evidence.weights(
        lift=(evidence.without_sound[None, :] - evidence.cross_entropies).astype(np.float32),
        cosine=evidence.cosine,
        lift_weight=1.0 if evidence.lift_weights is None else evidence.lift_weights,
    )
    return TextWeightTrial(pool_greatest(scores, heard.owners).astype(np.float64), right, ~right)


def write(bundle: Bundle, fitted: FittedTextWeight) -> None:
    """Put the weight into a bundle's manifest, and the curve into its calibration."""
    score = replace(bundle.score, text_match=fitted.text_match)
    rescore_bundle(bundle.path, score, version=bundle.version)
    file = bundle.path / CALIBRATION_FILE
    write_calibration(replace(read_calibration(file), score=score, texts=fitted.curve), file)


@click.command()
@clip_options
@click.option("--work", type=click.Path(path_type=Path), help="Keeps half-done work.")
@click.option("--write", "kept", is_flag=True, help="Put the weight into the bundle.")
def main(
    manifest: Path, audio: Path | None, bundle: Path, held_out: bool, work: Path | None, kept: bool
) -> None:
    """Print the weight and some points of the curve."""
    dataset = chosen_clips(manifest, audio=audio, bundle=bundle, held_out=held_out)
    model = Model.open(bundle, options=RuntimeOptions())
    with tempfile.TemporaryDirectory() as folder:
        run = EvaluationRun(model, WorkFolder(work or Path(folder)), NoStageProgress())
        trials = heard_trials(dataset, run)
    fitted = fit_text_weight(trials, min_score=model.bundle.score.min_score)
    print(f"{len(dataset.clips)} clips, {[run.right.shape[1] for run in trials]} queries")
    print(f"text_match {fitted.text_match}\n")
    print("| weight | misnamed first | named first |\n|---|---|---|")
    for one in fitted.curve[49::5]:
        print(f"| {one.weight:.2f} | {one.misnamed_first:.3f} | {one.named_first:.3f} |")
    if kept:
        write(model.bundle, fitted)


if __name__ == "__main__":
    main()
