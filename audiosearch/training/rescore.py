"""The score of a finished bundle, fitted anew with nothing but the bundle itself.

As the stage `calibrate` does before a bundle is made, with what will run in place of the networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiosearch._typing import Floats
from audiosearch.errors import FeatureUnavailable
from audiosearch.model.encoder import Encoded
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.training.calibrate import calibrate, scene_trials, write_calibration
from audiosearch.training.checkpoints import Report, TrainingProgress
from audiosearch.training.data.dataset import SoundCache, Split
from audiosearch.training.export.bundle import rescore_bundle
from audiosearch.training.library_trials import LibrarySizes, mixed_trials, plan_library
from audiosearch.training.run import Run, open_sounds
from audiosearch.training.scenes.clip_pool import gather_clips
from audiosearch.training.scenes.features import CLIP_S
from audiosearch.training.scenes.planner import Planner
from audiosearch.training.scenes.rendering import render
from audiosearch.training.scoring import PairScores, captioner_pairs
from audiosearch.training.stages import CALIBRATION_FILE, caption_rng
from audiosearch.training.text.captions import write_caption


def rescore(run: Run, *, bundle: Path, report: Report) -> Path:
    """Fit the score of a bundle and put it there; nothing else in the bundle changes.

    Raises:
        FeatureUnavailable: the bundle has no space shared by text and sound.
    """
    model = Model.open(bundle, options=RuntimeOptions())
    sounds = open_sounds(run)
    pool = gather_clips(sounds, split=Split.VALIDATION)
    scenes = Planner(pool, seed=run.seed).plan(run.validation_scenes)[: run.calibration_scenes]
    descriptions = [scene.description for scene in scenes]
    rng = caption_rng(run.seed)
    texts = [write_caption(rng, what) for what in descriptions]
    heard = model.encoder.encode_many([render(each, pool, varied=False) for each in scenes])
    trials = {"scenes": scene_trials(bundle_pairs(model, heard, texts), descriptions)}
    report(TrainingProgress("rescore", 1, 3, f"{len(scenes)} scenes"))
    library = plan_library(sounds.clips, sizes=LibrarySizes(), seed=run.seed)
    if library.held_out:
        heard = model.encoder.encode_many([_beginning(sounds, at) for at in library.places])
        trials |= mixed_trials(bundle_pairs(model, heard, library.texts), sounds.clips, library)
    report(TrainingProgress("rescore", 2, 3, f"{len(library.places)} recordings"))
    fitted = calibrate(trials)
    rescore_bundle(bundle, fitted.score, version=run.version)
    write_calibration(fitted, bundle / CALIBRATION_FILE)
    report(TrainingProgress("rescore", 3, 3, f"{fitted.text()}; wrote {bundle}"))
    return bundle


def _beginning(sounds: SoundCache, place: int) -> Floats:
    """The first seconds of a clip, a shorter one followed by silence."""
    length = int(CLIP_S * sounds.sample_rate)
    waveform = sounds.waveform(place)[:length]
    return np.pad(waveform, (0, length - waveform.size))


def bundle_pairs(model: Model, heard: Sequence[Encoded], texts: Sequence[str]) -> PairScores:
    """All sounds against all texts.

    Raises:
        FeatureUnavailable: the bundle has no space shared by text and sound.
    """
    joint = [each.joint for each in heard if each.joint is not None]
    if model.tower is None or len(joint) < len(heard):
        raise FeatureUnavailable(
            "has no space shared by text and sound, so there is no score to fit",
            path=model.bundle.path,
        )
    cosine = np.stack(joint) @ model.tower.embed(texts).T
    return captioner_pairs(model, heard, texts, cosine=cosine)
