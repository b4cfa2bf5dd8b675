"""Fits how much words in names and texts count beside what a finished bundle hears.

Trains nothing: labelled clips are heard with the bundle, each label is asked for in usual words
(and in other words, where `phrasings` has them), and the weight of `training.text_weight` is
chosen from the scores. `--write` puts it into the bundle's manifest and calibration, which
changes neither its files nor its fingerprint.

python -m benchmarks.text_weight manifest.csv [--held-out] [--bundle FOLDER] [--write]
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.ranking import pool_greatest
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.scenes.grammar import wording
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.model.bundle import MANIFEST
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
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


def write(bundle: Path, fitted: FittedTextWeight) -> None:
    """Put the weight into a bundle's manifest, and the curve into its calibration."""
    weights = {"text_match": fitted.text_match}
    manifest = json.loads((bundle / MANIFEST).read_text("utf-8"))
    manifest["score"] |= weights
    _write_json(bundle / MANIFEST, manifest)
    calibration = json.loads((bundle / CALIBRATION_FILE).read_text("utf-8"))
    calibration["score"] |= weights
    calibration["texts"] = [asdict(figures) for figures in fitted.curve]
    _write_json(bundle / CALIBRATION_FILE, calibration)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


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
        write(bundle, fitted)


if __name__ == "__main__":
    main()
