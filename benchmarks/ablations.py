"""What each part of the decoder's recipe is worth: the same short training, one thing changed.

Needs the folder of a run whose encoder is trained (`python -m audiosearch.training encoder`, with a
fold held out) and, for the rows of the joint space, the teacher of the text tower. Every decoder
learns from the same scenes, frames and seed for the same number of steps, and is measured on the
same test scenes of two events with their reversed twins. The trainings are much shorter than that
of the bundled model: differences count, not levels, and small ones do not. Each variant is kept in
the folder as soon as it is trained; a run that was stopped goes on.

python -m benchmarks.ablations --data MANIFEST --out DIR [--scenes 4000] [--epochs 8]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch

from audiosearch._typing import Floats, Ints
from audiosearch.model.tokenizer import Vocabulary
from audiosearch.training.calibrate import calibrate, scene_trials
from audiosearch.training.checkpoints import TrainingProgress, load_state
from audiosearch.training.data.dataset import Split
from audiosearch.training.metrics import order_accuracy, recall, scaled, score_pairs
from audiosearch.training.networks.decoder import CaptionerNetwork, DecoderConfig
from audiosearch.training.recipes.decoder import (
    PAPER_CLOTHO,
    STARTER_DECODER,
    DecoderRecipe,
    DecoderTrainer,
    starter_decoder_config,
)
from audiosearch.training.recipes.joint import Joint, load_joint
from audiosearch.training.run import Run, load_encoder, open_sounds, split_scenes
from audiosearch.training.scenes.batches import CaptionedScenes
from audiosearch.training.scenes.clip_pool import gather_clips
from audiosearch.training.scenes.features import SceneFeatures, encode_scenes, scene_logits
from audiosearch.training.scenes.planner import Planner
from audiosearch.training.scoring import PairScores
from audiosearch.training.stages import caption_rng
from audiosearch.training.text.captions import every_phrase, write_caption
from audiosearch.training.text.vocabulary import collect_words, make_vocabulary
from audiosearch.training.text_stages import learn_words, train_joint

BATCH, WARM_UP = 64, 200  # with fewer rivals in a batch the ranking term hides the words
COLUMNS = ("held-out CE", "R@1", "R@10", "order", "audio-to-text R@1: raw", "scaled")


@dataclass(frozen=True)
class Variant:
    """One way to train a decoder."""

    recipe: DecoderRecipe
    config: DecoderConfig
    part: int = 1
    """It learns from one in so many of the scenes, so many times as often."""


@dataclass(frozen=True)
class Figures:
    """What a way to score is worth on the test scenes; shares from 0 to 1."""

    recall_1: float
    recall_10: float
    order: float
    captions_raw: float
    captions_scaled: float
    held_out: float | None = None
    """Cross-entropy of validation captions, nats a word; None for what is no decoder."""


@dataclass(frozen=True)
class TestScenes:
    """Scenes of two events, each beside its twin, with their captions."""

    features: SceneFeatures
    logits: Floats
    texts: list[str]
    twins: Ints


def variants(config: DecoderConfig, *, epochs: int) -> dict[str, Variant]:
    """The recipe as it is, then with one thing changed each time."""
    recipe = replace(
        STARTER_DECODER,
        epochs=epochs,
        restarts=(),
        batch=BATCH,
        warm_up=WARM_UP,
        wording_epochs=epochs // 3,
    )
    mixing = replace(
        recipe,
        mixup_alpha=PAPER_CLOTHO.mixup_alpha,
        label_smoothing=PAPER_CLOTHO.label_smoothing,
        stripes=PAPER_CLOTHO.stripes,
    )
    dropping = replace(config, dropout=0.2)
    unranked = replace(recipe, ranking_weight=0.0)
    return {
        "recipe": Variant(recipe, config),
        "with the paper's augmentations": Variant(mixing, dropping),
        "2 layers of 128": Variant(recipe, replace(config, layers=2, dim=128, feedforward=384)),
        "a quarter of the scenes": Variant(replace(recipe, epochs=4 * epochs), config, part=4),
        "without the ranking term": Variant(unranked, config),
        "without wrong captions": Variant(replace(recipe, wording_weight=0.0), config),
        "without frame positions": Variant(recipe, replace(config, frame_positions=0)),
        "half of the scenes": Variant(replace(recipe, epochs=2 * epochs), config, part=2),
    }


def first_part(scenes: CaptionedScenes, part: int) -> CaptionedScenes:
    """The first of `part` equal parts; twins that are cut off are forgotten."""
    count = len(scenes.descriptions) // part
    twins = tuple(
        twin if twin is not None and twin < count else None for twin in scenes.twins[:count]
    )
    return CaptionedScenes(scenes.features.first(count), scenes.descriptions[:count], twins)


def measure(fit: Floats, cross_entropy: Floats, twins: Ints, *, held_out: float | None) -> Figures:
    """Figures of a fit `(n_scenes, n_texts)`; scaled captions are by `cross_entropy`'s range."""
    return Figures(
        recall_1=recall(fit, 1),
        recall_10=recall(fit, 10),
        order=order_accuracy(fit, twins),
        captions_raw=recall(fit.T, 1),
        captions_scaled=recall(-scaled(cross_entropy).T, 1),
        held_out=held_out,
    )


def table(found: Mapping[str, Figures]) -> str:
    """Markdown, a row a variant."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in found.items():
        shares = (row.recall_1, row.recall_10, row.order, row.captions_raw, row.captions_scaled)
        values = (row.held_out, *shares)
        cells = ["" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


class Ablations:
    """The scenes, the joint space and the folder that all variants share."""

    def __init__(
        self, run: Run, *, test_scenes: int, report: Callable[[TrainingProgress], None]
    ) -> None:
        self.run = run
        self.report = report
        training, validation = split_scenes(run, report=report)
        self.training, self.validation = training.captioned, validation.captioned
        self.vocabulary: Vocabulary = make_vocabulary(collect_words(every_phrase()))
        encoder = load_encoder(run)
        pool = gather_clips(open_sounds(run), split=Split.TEST)
        scenes = Planner(pool, seed=run.seed).plan_pairs(test_scenes)
        features = encode_scenes(
            encoder,
            scenes,
            pool,
            varied=False,
            path=run.folder / "features-test-pairs.npz",
            report=report,
        )
        rng = np.random.default_rng([run.seed, 0xCA97])
        self.test = TestScenes(
            features=features,
            logits=scene_logits(encoder, features),
            texts=[write_caption(rng, scene.description) for scene in scenes],
            twins=np.array([scene.twin for scene in scenes]),
        )
        calibrated = self.validation.features.first(run.calibration_scenes)
        self.validation_logits = scene_logits(encoder, calibrated)
        learn_words(run, report=report)
        self.joint: Joint = load_joint(train_joint(run, report=report))

    def figures(self, name: str, variant: Variant) -> dict[str, Figures]:
        """Train a variant, or read what it gave; the recipe gives the rows of the joint space."""
        budget = f"{self.run.training_scenes}x{variant.recipe.epochs // variant.part}"
        kept_in = self.run.folder / f"ablations-{budget}-seed{self.run.seed}"
        folder = kept_in / name.replace(" ", "-").replace("'", "")
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "figures.json"
        if not kept.exists():
            trainer = DecoderTrainer(
                first_part(self.training, variant.part),
                self.validation,
                self.vocabulary,
                config=variant.config,
                recipe=variant.recipe,
                seed=self.run.seed,
                folder=folder,
            )
            trained = load_state(trainer.run(report=self.report))["network"]
            trainer.network.load_state_dict(trained)
            found = self._measured(name, trainer)
            kept.write_text(json.dumps({row: asdict(each) for row, each in found.items()}))
        return {row: Figures(**each) for row, each in json.loads(kept.read_text()).items()}

    def _measured(self, name: str, trainer: DecoderTrainer) -> dict[str, Figures]:
        held_out = trainer.held_out().with_sound
        decoder = trainer.network.eval()
        test = self.test
        pairs = self._pairs(decoder, test.features, test.texts, test.logits)
        loss = pairs.cross_entropy
        found = {name: measure(-loss, loss, test.twins, held_out=held_out)}
        if name != "recipe":
            return found
        count = self.run.calibration_scenes
        descriptions = list(self.validation.descriptions[:count])
        rng = caption_rng(self.run.seed)
        texts = [write_caption(rng, what) for what in descriptions]
        fitted = calibrate(
            {
                "scenes": scene_trials(
                    self._pairs(
                        decoder,
                        self.validation.features.first(count),
                        texts,
                        self.validation_logits,
                    ),
                    descriptions,
                )
            }
        ).score
        power = 0.0 if fitted.words_power is None else fitted.words_power
        both = fitted.lift * pairs.trusted_lift(power) + fitted.joint * pairs.cosine
        return found | {
            "joint space alone": measure(pairs.cosine, -pairs.cosine, test.twins, held_out=None),
            "recipe and joint space": measure(both, -both, test.twins, held_out=None),
        }

    def _pairs(
        self, decoder: CaptionerNetwork, features: SceneFeatures, texts: list[str], logits: Floats
    ) -> PairScores:
        return score_pairs(decoder, self.joint, features, texts, self.vocabulary, logits=logits)


def tell(progress: TrainingProgress) -> None:
    """Say on stderr how far it is."""
    print(f"{progress.stage} {progress.step}/{progress.total} {progress.text}", file=sys.stderr)


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="With encoder.pt.")
@click.option("--scenes", default=4000, show_default=True, help="To learn from.")
@click.option("--test-scenes", default=200, show_default=True)
@click.option("--epochs", default=8, show_default=True)
@click.option("--seed", default=1234, show_default=True)
@click.option("--hold-out-fold", default="4", show_default=True)
@click.option("--sound-font", type=click.Path(exists=True, path_type=Path))
@click.option("--dictionary", type=click.Path(exists=True, path_type=Path), help="WordNet.")
@click.option("--threads", default=1, show_default=True)
def main(
    data: Path,
    out: Path,
    scenes: int,
    test_scenes: int,
    epochs: int,
    seed: int,
    hold_out_fold: str,
    sound_font: Path | None,
    dictionary: Path | None,
    threads: int,
) -> None:
    """Print the table, as far as it is known after each variant."""
    torch.set_num_threads(threads)
    run = Run(
        manifests=(data,),
        folder=out,
        seed=seed,
        hold_out_fold=hold_out_fold,
        sound_font=sound_font,
        dictionary=dictionary,
        training_scenes=scenes,
    )
    shared = Ablations(run, test_scenes=test_scenes, report=tell)
    config = starter_decoder_config(
        vocabulary=len(shared.vocabulary), feature_dim=shared.training.features.values.shape[2]
    )
    found: dict[str, Figures] = {}
    for name, variant in variants(config, epochs=epochs).items():
        found |= shared.figures(name, variant)
        (out / "ablations.md").write_text(table(found) + "\n", encoding="utf-8")
    click.echo(table(found))


if __name__ == "__main__":
    main()
