"""The stages of a training run, each reading from the run's folder what the one before has written.

Every stage can be started again where it stopped; a finished one is not repeated.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from audiosearch.model.beam import BeamOptions
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.training.calibrate import (
    calibrate,
    read_calibration,
    scene_trials,
    write_calibration,
)
from audiosearch.training.checkpoints import Report, TrainingProgress, load_state
from audiosearch.training.data.dataset import (
    SYNTHETIC_SOURCE,
    SoundCache,
    Split,
)
from audiosearch.training.export.bundle import export_bundle
from audiosearch.training.export.spec import (
    BundleFacts,
    BundleNetworks,
)
from audiosearch.training.library_trials import LibrarySizes, mixed_trials, plan_library
from audiosearch.training.metrics import TrainedModel, label_metrics, scene_metrics
from audiosearch.training.networks.convnext import starter_config
from audiosearch.training.networks.frontend import STARTER_FRONTEND
from audiosearch.training.networks.gru import read_captioner
from audiosearch.training.paraphrase_metrics import paraphrase_metrics
from audiosearch.training.recipes.captioners import (
    captioner_config,
    captioner_recipe,
    learn_on_from,
)
from audiosearch.training.recipes.decoder import DecoderTrainer
from audiosearch.training.recipes.encoder import STARTER_ENCODER, EncoderTrainer
from audiosearch.training.recipes.joint import load_joint
from audiosearch.training.run import Run, load_encoder, open_sounds, scenes_of, split_scenes
from audiosearch.training.scenes.features import encode_clips
from audiosearch.training.scenes.planner import SceneLayout
from audiosearch.training.tagging import evaluate_tagging
from audiosearch.training.text.bridges import read_bridges
from audiosearch.training.text.captions import PHRASES, every_phrase, sound_of, write_caption
from audiosearch.training.text.vocabulary import collect_words, make_vocabulary

LICENCE = "MIT for the weights; recordings used for training: see README.md and clips.csv"
DESCRIPTION = (
    "Everyday sounds, animals, machines, weather, speech and simple synthetic sounds in English; "
    "trained from open recordings on two CPU cores."
)
CLIP_COLUMNS = ("path", "label", "source", "group", "licence", "attribution")
CALIBRATION_FILE = "calibration.json"  # in the folder of the run, and beside the bundle
HALO = 8  # frames, 2.6 s: more change nothing that a float16 keeps
HEARD = (Split.TRAIN, Split.VALIDATION)
TUNED = "tuned"  # what the list of clips calls those that the score was fitted on


def train_encoder(run: Run, *, report: Report) -> Path:
    """Stage 1: the tagging encoder."""
    finished = run.folder / "encoder.pt"
    if finished.exists():
        return finished
    trainer = EncoderTrainer(
        open_sounds(run),
        recipe=STARTER_ENCODER,
        seed=run.seed,
        folder=run.folder,
        size=starter_config,
    )
    return trainer.run(report=report)


def train_decoder(run: Run, *, report: Report) -> Path:
    """Stage 2: the caption decoder, on cached frames."""
    finished = run.folder / "decoder.pt"
    if finished.exists():
        return finished
    training, validation = split_scenes(run, report=report)
    vocabulary = make_vocabulary(_words(training.scenes, run.seed))
    config = captioner_config(
        run.captioner,
        vocabulary=len(vocabulary),
        feature_dim=training.features.values.shape[2],
    )
    trainer = DecoderTrainer(
        training.captioned,
        validation.captioned,
        vocabulary,
        config=config,
        recipe=captioner_recipe(run.captioner, later=run.start is not None),
        seed=run.seed,
        folder=run.folder,
    )
    if run.start is not None:
        learn_on_from(run.start, trainer.network, vocabulary.words)
    return trainer.run(report=report)


def calibrate_score(run: Run, *, report: Report) -> Path:
    """Stage 6: the weights of the score, on validation scenes and in a mixed folder."""
    model = load_model(run, score=ScoreCalibration(lift=1.0, joint=1.0, bias=0.0, min_score=0.5))
    validation = scenes_of(run, Split.VALIDATION, count=run.validation_scenes, report=report)
    features = validation.features.first(run.calibration_scenes)
    descriptions = list(validation.captioned.descriptions[: run.calibration_scenes])
    rng = caption_rng(run.seed)
    texts = [write_caption(rng, what) for what in descriptions]
    scores = model.pairs(features, texts)
    trials = {"scenes": scene_trials(scores, descriptions)}
    sounds = open_sounds(run)
    library = plan_library(sounds.clips, sizes=LibrarySizes(), seed=run.seed)
    if library.held_out:
        heard = encode_clips(model.encoder, sounds, library.places, report=report)
        trials |= mixed_trials(model.pairs(heard, library.texts), sounds.clips, library)
    fitted = calibrate(trials)
    path = run.folder / CALIBRATION_FILE
    write_calibration(fitted, path)
    report(TrainingProgress("calibrate", 1, 1, f"{fitted.text()}; wrote {path}"))
    return path


def export(run: Run, *, bundle: Path, report: Report) -> Path:
    """Stage 7: the bundle, checked against torch."""
    calibration = read_calibration(run.folder / CALIBRATION_FILE)
    score = calibration.score
    model = load_model(run, score=score)
    tags = load_state(run.folder / "encoder.pt")["tags"]
    facts = BundleFacts(
        halo=HALO,
        name=run.name,
        version=run.version,
        licence=LICENCE,
        description=DESCRIPTION,
        words=model.vocabulary.words,
        tags=tuple(tags),
        score=score,
        beam=BeamOptions(forbid_unknown=True),
        pieces=model.joint.pieces,
        bridges=model.vocabulary.oov_map,
    )
    networks = BundleNetworks(
        frontend=STARTER_FRONTEND,
        encoder=model.encoder,
        decoder=model.decoder,
        head=model.joint.head,
        tower=model.joint.tower,
    )
    path = export_bundle(networks, facts, path=bundle)
    _write_clip_list(open_sounds(run), path / "clips.csv")
    write_calibration(calibration, path / CALIBRATION_FILE)
    report(TrainingProgress("export", 1, 1, f"wrote {path}"))
    return path


def evaluate(run: Run, *, report: Report) -> Path:
    """The figures of the model card, on the test split."""
    model = load_model(run, score=read_calibration(run.folder / CALIBRATION_FILE).score)
    sounds = open_sounds(run)
    tags = tuple(load_state(run.folder / "encoder.pt")["tags"])
    worded = paraphrase_metrics(model, sounds, _phrased(sounds), report=report)
    figures = {
        "wordings": {name: asdict(one) for name, one in worded.items()},
        "tagging": asdict(evaluate_tagging(model.encoder, sounds, tags=tags)),
        "labels": asdict(label_metrics(model, sounds, report=report)),
        "scenes": asdict(
            scene_metrics(model, sounds, count=run.test_scenes, seed=run.seed, report=report)
        ),
    }
    path = run.folder / "figures.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    report(TrainingProgress("figures", 1, 1, f"{json.dumps(figures)}; wrote {path}"))
    return path


def _phrased(sounds: SoundCache) -> list[int]:
    """The test clips that can be put into words: of the fold, if one is held out, else all."""
    clips = [i for i in sounds.indices(Split.TEST) if sound_of(sounds.clips[i].label) in PHRASES]
    return [i for i in clips if sounds.clips[i].fold] or clips


def _write_clip_list(sounds: SoundCache, path: Path) -> None:
    """Every recording that was trained or tuned on (`split`), with its licence and author."""
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow([*CLIP_COLUMNS, "split"])
        for clip in sounds.clips:
            if clip.split in HEARD and clip.source != SYNTHETIC_SOURCE:
                values = [str(getattr(clip, name)) for name in CLIP_COLUMNS]
                writer.writerow([*values, TUNED if clip.split is Split.VALIDATION else clip.split])


def load_model(run: Run, *, score: ScoreCalibration) -> TrainedModel:
    """The networks of a finished run, in evaluation mode."""
    decoder_state = load_state(run.folder / "decoder.pt")
    return TrainedModel(
        encoder=load_encoder(run),
        decoder=read_captioner(decoder_state["config"], decoder_state["network"]),
        joint=load_joint(run.folder / "joint.pt"),
        vocabulary=make_vocabulary(
            decoder_state["words"], bridges=read_bridges(run.folder / "bridges.json")
        ),
        score=score,
    )


def caption_rng(seed: int) -> np.random.Generator:
    """Draws the captions that the score is fitted on, and the words of the vocabulary."""
    return np.random.default_rng([seed, 0xCAF])


def _words(scenes: list[SceneLayout], seed: int) -> tuple[str, ...]:
    """Words in order of first appearance in captions of the scenes, then the grammar's others."""
    rng = caption_rng(seed)
    captions = [write_caption(rng, scene.description) for scene in scenes]
    return collect_words([*captions, *every_phrase()])
