"""One training run: its sizes, its sounds, its encoder and the scenes composed of its sounds.

The only place where sizes of the bundled model's run are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from audiosearch.training.checkpoints import Report, load_state
from audiosearch.training.data.corpus import held_out_breadth, read_corpus
from audiosearch.training.data.dataset import SoundCache, Split, SplitRule, open_cache
from audiosearch.training.networks.convnext import ConvNext, starter_config
from audiosearch.training.networks.frontend import STARTER_FRONTEND
from audiosearch.training.recipes.captioners import CaptionerKind
from audiosearch.training.scenes.batches import CaptionedScenes
from audiosearch.training.scenes.clip_pool import ClipPool, gather_clips
from audiosearch.training.scenes.features import SceneFeatures, encode_scenes
from audiosearch.training.scenes.planner import Planner, SceneLayout


@dataclass(frozen=True)
class Run:
    """One training run."""

    manifests: tuple[Path, ...]
    folder: Path
    seed: int = 1234
    hold_out_fold: str = "4"
    hold_out_share: float = 0.08
    synthetic_per_label: int = 60
    sound_font: Path | None = None
    """A General MIDI sound font to render instruments from; None: no instruments."""
    dictionary: Path | None = None
    """WordNet's folder, whose definitions say what rare words mean; None: they are not told."""
    captioner: CaptionerKind = CaptionerKind.CNEXT_TRANS
    """Which network the decoder's stage trains."""
    start: Path | None = None
    """A bundle whose words and decoder are learned on from; None: from nothing."""
    pool: Path | None = None
    """Stretches that a teacher has named (`distillation`), for the joint space; None: none."""
    training_scenes: int = 24_000
    validation_scenes: int = 300
    calibration_scenes: int = 150
    """Of the scenes for validation, the first that the score is fitted on."""
    study_texts: int = 60_000
    """Made texts, beside words and captions, that the teacher reads."""
    test_scenes: int = 300
    name: str = "starter"
    version: str = "0.1.0"


@dataclass(frozen=True)
class SplitScenes:
    """Scenes of one split with their frames."""

    pool: ClipPool
    scenes: list[SceneLayout]
    features: SceneFeatures

    @property
    def captioned(self) -> CaptionedScenes:
        """What the decoder and the joint space learn from."""
        return CaptionedScenes(
            self.features,
            tuple(scene.description for scene in self.scenes),
            tuple(scene.twin for scene in self.scenes),
        )


def open_sounds(run: Run) -> SoundCache:
    """The decoded recordings and made sounds of a run."""
    corpus = read_corpus(
        run.manifests,
        rule=SplitRule(hold_out_fold=run.hold_out_fold, share=run.hold_out_share, seed=run.seed),
        breadth=held_out_breadth(),
        instruments=run.folder / "instruments",
        sound_font=run.sound_font,
        synthetic_per_label=run.synthetic_per_label,
    )
    return open_cache(
        list(corpus.clips),
        cache=run.folder / "cache",
        sample_rate=STARTER_FRONTEND.sample_rate,
        seed=run.seed,
    )


def load_encoder(run: Run) -> ConvNext:
    """The trained encoder of a run, in evaluation mode."""
    state = load_state(run.folder / "encoder.pt")
    encoder = ConvNext(starter_config(len(state["tags"])))
    encoder.load_state_dict(state["network"])
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return encoder.eval()


def split_scenes(run: Run, *, report: Report) -> tuple[SplitScenes, SplitScenes]:
    """Scenes to train on and to validate with, and their frames."""
    return (
        scenes_of(run, Split.TRAIN, count=run.training_scenes, report=report),
        scenes_of(run, Split.VALIDATION, count=run.validation_scenes, report=report),
    )


def scenes_of(run: Run, split: Split, *, count: int, report: Report) -> SplitScenes:
    """The same scenes of one split for the same run, their frames encoded on first use."""
    pool = gather_clips(open_sounds(run), split=split)
    scenes = Planner(pool, seed=run.seed).plan(count)
    features = encode_scenes(
        load_encoder(run),
        scenes,
        pool,
        varied=split is Split.TRAIN,
        path=run.folder / f"features-{split}.npz",
        report=report,
    )
    return SplitScenes(pool, scenes, features)
