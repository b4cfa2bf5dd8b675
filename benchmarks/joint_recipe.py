"""What parts of the joint space's recipe are worth: trained several times, one thing changed.

Needs the folder of a finished run with fold 4 held out (`python -m audiosearch.training all`). Two
things are changed. The noise on the encoder's tags. And the layer that gives the tags, which is the
encoder's own and frozen in the recipe: it may learn too, alone or held to the frozen tags by
CLAP-TAG's regulariser, λ times the mean absolute difference of the two layers' probabilities, or
the mean squared one of log(1 + p).

python -m benchmarks.joint_recipe --data MANIFEST --out DIR --sound-font FONT [--seeds 4]
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import click
import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from audiosearch._typing import Bools, Floats, Ints
from audiosearch.training.data.dataset import SoundCache, Split
from audiosearch.training.metrics import recall
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.networks.tags import pooled_frames, read_tags
from audiosearch.training.paraphrase_metrics import (
    label_accuracy,
    mean_average_precision,
    single_event_queries,
)
from audiosearch.training.recipes.joint import (
    STARTER_JOINT,
    JointRecipe,
    JointTrainer,
    TaggedScenes,
)
from audiosearch.training.run import Run, load_encoder, open_sounds, split_scenes
from audiosearch.training.scenes.clip_pool import gather_clips
from audiosearch.training.scenes.features import (
    SceneFeatures,
    encode_clips,
    encode_waveforms,
    scene_logits,
)
from audiosearch.training.scenes.planner import Planner
from audiosearch.training.scenes.rendering import render
from audiosearch.training.text.captions import SceneDescription, sound_of, write_caption
from audiosearch.training.text.sentence_model import SentenceEmbedder, load_sentences
from benchmarks.ablations import tell

Regulariser = Literal["MAE", "MSLE"]
REGULARISERS: tuple[Regulariser, ...] = ("MAE", "MSLE")


@dataclass(frozen=True)
class Pooled:
    """What the layer of tags reads of each scene."""

    whole: Tensor
    """`(n_scenes, dim)`."""
    parts: Tensor
    """`(n_scenes, P, dim)`; of a shorter scene the first part again and again."""


def pooled(features: SceneFeatures) -> Pooled:
    """What the layer of tags reads of all scenes, each by its own length."""
    whole: list[Tensor] = [torch.zeros(0)] * len(features.lengths)
    parts = list(whole)
    for row, length in enumerate(features.lengths):
        frames = torch.from_numpy(features.values[row : row + 1, :length].astype(np.float32))
        one, several = pooled_frames(frames)
        whole[row], parts[row] = one[0], several[0]
    most = max(len(each) for each in parts)
    filled = [torch.cat([each, each[:1].expand(most - len(each), -1)]) for each in parts]
    return Pooled(torch.stack(whole), torch.stack(filled))


def tag_layer(encoder: ConvNext) -> nn.Sequential:
    """A copy of the encoder's last layer, to be trained."""
    return nn.Sequential(copy.deepcopy(encoder.norm), copy.deepcopy(encoder.head_audioset))


@dataclass(frozen=True)
class Variant:
    """One way to train the joint space."""

    name: str
    recipe: JointRecipe = STARTER_JOINT
    layer_learns: bool = False
    regulariser: Regulariser | None = None
    strength: float = 0.0
    """λ of the regulariser; no paper gives one."""


def variants() -> list[Variant]:
    """The recipe, noise on the tags, and without any the layer of tags unfrozen."""
    noisy = {spread: replace(STARTER_JOINT, spread=spread) for spread in (0.0, 1.0, 3.0)}
    plain = noisy[0.0]
    return [
        Variant("the recipe"),
        *(Variant(f"noise of {spread:g} on tags", recipe) for spread, recipe in noisy.items()),
        Variant("the tags' layer learns", plain, layer_learns=True),
        *(
            Variant(f"the same, held by {kind}, λ = {strength:g}", plain, True, kind, strength)
            for kind in REGULARISERS
            for strength in (10.0, 100.0, 1000.0)
        ),
    ]


@dataclass(frozen=True)
class Figures:
    """What the joint space alone is worth; shares from 0 to 1."""

    map_usual: float
    """mAP@10 of single sounds by free text, in usual and in other words."""
    map_other: float
    labels: float
    """Share of clips whose own bare label comes first."""
    labels_other: float
    scenes_1: float
    """R@1 of test scenes of two events with their reversed twins, which it cannot tell apart."""
    scenes_10: float


class UnfrozenTrainer(JointTrainer):
    """Trains the layer of tags along with both towers; nothing of it is resumed.

    The held-out loss that is told on the way is that of the frozen layer.
    """

    layer: nn.Module
    pooled: Pooled
    variant: Variant
    learned: Tensor
    """Logits `(B, 2 C)` of the step in hand."""

    def unfreeze(self, layer: nn.Module, pooled: Pooled, variant: Variant) -> None:
        """Let this layer learn too, from these training scenes."""
        self.layer, self.pooled, self.variant = layer, pooled, variant
        self.optimiser.add_param_group({"params": list(layer.parameters()), "weight_decay": 0.0})

    def _logits(self, scenes: TaggedScenes, rows: Ints) -> Tensor:
        if scenes is not self.training:
            return super()._logits(scenes, rows)
        self.learned = read_tags(self.layer, self.pooled.whole[rows], self.pooled.parts[rows])
        return self.learned

    def _loss(
        self, scenes: TaggedScenes, rows: Ints, meanings: Tensor, rng: Generator | None
    ) -> Tensor:
        loss = super()._loss(scenes, rows, meanings, rng)
        kind = self.variant.regulariser
        if scenes is not self.training or kind is None:
            return loss
        frozen = torch.from_numpy(scenes.logits[rows])
        return loss + self.variant.strength * moved(kind, self.learned.sigmoid(), frozen.sigmoid())


def moved(kind: Regulariser, learned: Tensor, frozen: Tensor) -> Tensor:
    """CLAP-TAG's regulariser of probabilities of any one shape."""
    if kind == "MAE":
        return functional.l1_loss(learned, frozen)
    return functional.mse_loss(torch.log1p(learned), torch.log1p(frozen))


@dataclass(frozen=True)
class Clips:
    """Single sounds of one split with their labels."""

    pooled: Pooled
    labels: list[str]


class Trials:
    """The scenes, clips and sentences that all variants share."""

    def __init__(self, run: Run) -> None:
        self.encoder = load_encoder(run)
        self.seed = run.seed
        self.sentences: SentenceEmbedder = load_sentences(run.folder / "words.pt")
        training, validation = split_scenes(run, report=tell)
        self.training, self.validation = (
            TaggedScenes(split.captioned.descriptions, scene_logits(self.encoder, split.features))
            for split in (training, validation)
        )
        self.pooled = pooled(training.features)
        sounds = open_sounds(run)
        self.clips = {
            "validation": self._clips(sounds, Split.VALIDATION),
            "test": self._clips(sounds, Split.TEST),
        }
        pool = gather_clips(sounds, split=Split.TEST)
        scenes = Planner(pool, seed=run.seed).plan_pairs(run.test_scenes)
        self.scenes: list[SceneDescription] = [scene.description for scene in scenes]
        features = encode_waveforms(
            self.encoder,
            [scene.length for scene in scenes],
            lambda index: render(scenes[index], pool),
            report=tell,
        )
        self.pooled_scenes = pooled(features)

    def _clips(self, sounds: SoundCache, split: Split) -> Clips:
        """Those of the held-out fold."""
        chosen = [index for index in sounds.indices(split) if sounds.clips[index].fold]
        features = encode_clips(self.encoder, sounds, chosen, report=tell)
        return Clips(pooled(features), [sounds.clips[index].label for index in chosen])

    def figures(self, variant: Variant, *, seed: int) -> dict[str, Figures]:
        """Train one variant with this seed; its figures on validation and on test clips."""
        with tempfile.TemporaryDirectory() as folder:
            trainer = UnfrozenTrainer if variant.layer_learns else JointTrainer
            trained = trainer(
                self.training,
                self.validation,
                self.sentences,
                recipe=variant.recipe,
                seed=seed,
                folder=Path(folder),
            )
            layer = tag_layer(self.encoder)
            if isinstance(trained, UnfrozenTrainer):
                trained.unfreeze(layer, self.pooled, variant)
            trained.run(report=tell)
        return {name: self._measured(trained, layer, clips) for name, clips in self.clips.items()}

    @torch.no_grad()
    def _measured(self, trained: JointTrainer, layer: nn.Module, clips: Clips) -> Figures:
        network = trained.network.eval()

        def cosines(sounds: Pooled, texts: Sequence[str]) -> Floats:
            heard = network.head(read_tags(layer, sounds.whole, sounds.parts))
            meant = network.concepts(torch.from_numpy(self.sentences.embed(list(texts))))
            return np.asarray((heard @ meant.T).numpy())

        def asked(wording: str) -> tuple[Floats, Bools]:
            queries = [
                each for each in single_event_queries(clips.labels) if each.wording == wording
            ]
            right = [[sound_of(a) == sound_of(b.label) for b in queries] for a in clips.labels]
            return cosines(clips.pooled, [query.text for query in queries]), np.array(right)

        rng = np.random.default_rng([self.seed, 0xCA97])
        texts = [write_caption(rng, scene) for scene in self.scenes]
        found = cosines(self.pooled_scenes, texts)
        return Figures(
            map_usual=mean_average_precision(*asked("usual")),
            map_other=mean_average_precision(*asked("other")),
            labels=label_accuracy(*asked("name")),
            labels_other=label_accuracy(*asked("other name")),
            scenes_1=recall(found, 1),
            scenes_10=recall(found, 10),
        )


def row(name: str, found: Sequence[Figures]) -> str:
    """One line of a table: means over seeds, and in brackets the standard deviation."""
    cells = []
    for field in fields(Figures):
        values = [getattr(each, field.name) for each in found]
        cells.append(f"{np.mean(values):.3f} ({np.std(values):.3f})")
    return f"| {name} | {' | '.join(cells)} |"


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--sound-font", type=click.Path(exists=True, path_type=Path))
@click.option("--seeds", default=4, show_default=True, help="How often each is trained.")
@click.option("--seed", default=1234, show_default=True, help="Of the run, and the first.")
@click.option("--threads", default=1, show_default=True)
def main(
    data: Path,
    out: Path,
    sound_font: Path | None,
    seeds: int,
    seed: int,
    threads: int,
) -> None:
    """Print a table for the validation clips and one for the test clips, a row a variant.

    As far as they are known after each variant, they stand in the folder too.
    """
    torch.set_num_threads(threads)
    trials = Trials(Run(manifests=(data,), folder=out, seed=seed, sound_font=sound_font))
    names = " | ".join(field.name.replace("_", " ") for field in fields(Figures))
    head = f"| | {names} |\n{'|---' * (len(fields(Figures)) + 1)}|"
    tables: dict[str, list[str]] = {name: [] for name in trials.clips}
    kept = out / "joint_recipe.md"
    for variant in variants():
        found = [trials.figures(variant, seed=seed + at) for at in range(seeds)]
        for name, rows in tables.items():
            rows.append(row(variant.name, [one[name] for one in found]))
        parts = [[f"{name} clips, {seeds} seeds", "", head, *tables[name], ""] for name in tables]
        kept.write_text("\n".join(line for part in parts for line in part), encoding="utf-8")
    click.echo(kept.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
