"""The captioner with a GRU (Sun et al. 2023) against CNext-trans (Labbé et al. 2023), in small.

Both learn from the same frozen features of the bundled encoder, the same generated scenes (of made
sounds only, so no recordings are needed) and in as many steps of the same batch, each by either
recipe, so that what the network gives and what the recipe gives can be told apart. Every trained
captioner becomes a bundle's graphs, by which it is measured on scenes of other sounds. What is done
is kept in the folder; a run that was stopped goes on.

    python -m benchmarks.captioners --out FOLDER [--seeds 3] [--scenes 1000] [--epochs 10]
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from audiosearch.evaluation.retrieval import ranking
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.training.checkpoints import TrainingProgress, load_state
from audiosearch.training.data.augment import STARTER_DECODER_STRIPES
from audiosearch.training.data.dataset import Split, SplitRule, open_cache, synthetic_clips
from audiosearch.training.export.bundle import export_bundle
from audiosearch.training.export.restored import encoder_of_bundle, read_tags
from audiosearch.training.export.spec import BundleFacts, BundleNetworks
from audiosearch.training.networks.convnext import ConvNext, starter_config
from audiosearch.training.networks.decoder import CaptionerNetwork, DecoderConfig
from audiosearch.training.networks.frontend import STARTER_FRONTEND
from audiosearch.training.networks.gru import GruConfig, read_captioner
from audiosearch.training.recipes.captioners import GRU_PRETRAIN
from audiosearch.training.recipes.decoder import PAPER_CLOTHO, DecoderRecipe, DecoderTrainer
from audiosearch.training.scenes.batches import CaptionedScenes
from audiosearch.training.scenes.clip_pool import gather_clips
from audiosearch.training.scenes.features import SceneFeatures, encode_scenes
from audiosearch.training.scenes.planner import Planner, SceneLayout
from audiosearch.training.text.captions import every_phrase, write_caption
from audiosearch.training.text.vocabulary import collect_words, make_vocabulary

STARTER = Path(__file__).parents[1] / "models" / "starter"
REFERENCES = 5  # captions of a scene that what is written is held against
BATCH = 32
OPTIONS = RuntimeOptions(device="cpu")
PER_LABEL = 24  # made sounds of each kind, of which a third is held out
COLUMNS = (
    *("held-out CE", "without sound", "R@1", "R@5", "R@10", "mAP@10"),
    *("CIDEr-D", "BLEU-4", "ROUGE-L"),
)
SUN, LABBE = "Sun", "Labbé"


@dataclass(frozen=True)
class Contender:
    """A network and the recipe that it learns by."""

    network: str
    recipe: str

    @property
    def name(self) -> str:
        """Of its row."""
        return f"{self.network}, recipe of {self.recipe}"


# Each by its own recipe first, so that what matters most is known first.
CONTENDERS = (
    Contender("GRU", SUN),
    Contender("CNext-trans", LABBE),
    Contender("GRU", LABBE),
    Contender("CNext-trans", SUN),
)


def config_of(network: str, *, vocabulary: int, feature_dim: int) -> DecoderConfig:
    """Both decoders as wide; CNext-trans as deep as in the bundled model, but with its dropout."""
    if network == "GRU":
        return GruConfig(vocabulary, feature_dim, feedforward=1024, dropout=0.1)
    return DecoderConfig(vocabulary, feature_dim, layers=4, feedforward=768)


def recipe_of(recipe: str, *, epochs: int) -> DecoderRecipe:
    """A published recipe at the budget of all, with stripes that suit the encoder."""
    if recipe == SUN:
        return replace(GRU_PRETRAIN, epochs=epochs, batch=BATCH)
    return replace(
        PAPER_CLOTHO,
        epochs=epochs,
        batch=BATCH,
        stripes=STARTER_DECODER_STRIPES,
        silent_chance=GRU_PRETRAIN.silent_chance,
        unknown_chance=GRU_PRETRAIN.unknown_chance,
    )


@dataclass(frozen=True)
class Captioned:
    """Scenes, their features, and sentences of each."""

    scenes: list[SceneLayout]
    features: SceneFeatures

    @property
    def for_training(self) -> CaptionedScenes:
        """As the trainer takes them."""
        return CaptionedScenes(
            self.features,
            tuple(scene.description for scene in self.scenes),
            tuple(scene.twin for scene in self.scenes),
        )

    def texts(self, *, seed: int) -> list[str]:
        """A sentence of each."""
        rng = np.random.default_rng([seed, 0xCA97])
        return [write_caption(rng, scene.description) for scene in self.scenes]


def starter_encoder() -> ConvNext:
    """The bundled encoder, frozen."""
    encoder = ConvNext(starter_config(len(read_tags(STARTER))))
    encoder.load_state_dict(encoder_of_bundle(STARTER, config=encoder.config))
    return encoder.eval()


def make_scenes(folder: Path, counts: dict[Split, int]) -> dict[Split, Captioned]:
    """Scenes of made sounds by split, of which no sound is in two."""
    rule = SplitRule(hold_out_fold="none", share=0.33, seed=1)
    clips = synthetic_clips(per_label=PER_LABEL, rule=rule)
    rate = STARTER_FRONTEND.sample_rate
    sounds = open_cache(clips, cache=folder / "cache", sample_rate=rate, seed=1)
    encoder, found = starter_encoder(), {}
    for split, count in counts.items():
        pool = gather_clips(sounds, split=split)
        scenes = Planner(pool, seed=1).plan(count)
        path = folder / f"features-{split}.npz"
        features = encode_scenes(encoder, scenes, pool, varied=False, path=path, report=tell)
        found[split] = Captioned(scenes, features)
    return found


class Comparison:
    """The scenes and the folder that all trainings share."""

    def __init__(self, folder: Path, *, scenes: int, test_scenes: int, epochs: int) -> None:
        counts = {Split.TRAIN: scenes, Split.VALIDATION: 100, Split.TEST: test_scenes}
        found = make_scenes(folder, counts)
        self.training, self.validation, self.test = (found[split] for split in counts)
        self.vocabulary = make_vocabulary(collect_words(every_phrase()))
        self.epochs = epochs
        self.folder = folder / f"{scenes}x{epochs}"

    def figures(self, contender: Contender, *, seed: int) -> dict[str, float]:
        """Train and measure one, or read what it gave."""
        name = contender.name.replace(", recipe of ", "-")
        folder = self.folder / f"{name}-{seed}"
        kept = folder / "figures.json"
        if not kept.exists():
            folder.mkdir(parents=True, exist_ok=True)
            trainer = DecoderTrainer(
                self.training.for_training,
                self.validation.for_training,
                self.vocabulary,
                config=config_of(
                    contender.network,
                    vocabulary=len(self.vocabulary),
                    feature_dim=self.training.features.values.shape[2],
                ),
                recipe=recipe_of(contender.recipe, epochs=self.epochs),
                seed=seed,
                folder=folder,
            )
            began = time.process_time()
            state = load_state(trainer.run(report=tell))
            took = time.process_time() - began
            network = read_captioner(state["config"], state["network"])
            found = self._measured(network, folder / "bundle")
            found["weights"] = sum(weight.numel() for weight in network.parameters())
            found["seconds"] = took
            kept.write_text(json.dumps(found), encoding="utf-8")
        read: dict[str, float] = json.loads(kept.read_text("utf-8"))
        return read

    def _measured(self, network: CaptionerNetwork, path: Path) -> dict[str, float]:
        """By its bundle, on scenes of other sounds."""
        networks = BundleNetworks(STARTER_FRONTEND, starter_encoder(), network, None, None)
        facts = BundleFacts(
            name=path.parent.name,
            version="1",
            licence="MIT",
            description="Trained in small, to compare captioners.",
            words=self.vocabulary.words,
            tags=(),
            score=ScoreCalibration(lift=1.0, joint=0.0, bias=0.0, min_score=0.5),
        )
        model = Model.open(export_bundle(networks, facts, path=path), options=OPTIONS)
        features = self.test.features
        with torch.no_grad():
            padded = network.project(torch.from_numpy(features.values.astype(np.float32))).numpy()
        frames = [
            rows[:length] for rows, length in zip(padded, features.lengths.tolist(), strict=True)
        ]
        texts = self.test.texts(seed=0)
        ids = [model.scorer.encode(text) for text in texts]
        costs = model.scorer.cross_entropies(ids, model.decoder.memory(frames))
        own = np.eye(len(texts), dtype=bool)
        found = ranking("text to audio", "ce", costs, own).figures
        said = [caption.text for caption in model.captioner.captions(frames)]
        references = zip(*(self.test.texts(seed=n) for n in range(REFERENCES)), strict=True)
        values = (
            *(float(np.diagonal(costs).mean()), float(model.scorer.without_sound(ids).mean())),
            *(found.recall_1, found.recall_5, found.recall_10, found.map_10),
            *caption_figures(said, [list(of_one) for of_one in references]),
        )
        return dict(zip(COLUMNS, values, strict=True))


def caption_figures(said: list[str], references: list[list[str]]) -> tuple[float, float, float]:
    """CIDEr-D, BLEU-4 and ROUGE-L, of words as the captions are written: no tokenizer in Java."""
    wanted = dict(enumerate(references))
    found = {place: [text] for place, text in enumerate(said)}
    bleu = Bleu(4).compute_score(wanted, found, verbose=0)[0][3]
    values = Cider().compute_score(wanted, found)[0], bleu, Rouge().compute_score(wanted, found)[0]
    return float(values[0]), float(values[1]), float(values[2])


def table(found: dict[Contender, list[dict[str, float]]]) -> str:
    """Markdown: means, each with its standard deviation between seeds."""
    names = ("seeds", *COLUMNS, "million weights", "training, s of processor")
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for contender, runs in found.items():
        cells = [str(len(runs))]
        for column in COLUMNS:
            values = np.array([run[column] for run in runs])
            spread = f" ± {values.std(ddof=1):.3f}" if len(runs) > 1 else ""
            cells.append(f"{values.mean():.3f}{spread}")
        cells.append(f"{runs[0]['weights'] / 1e6:.1f}")
        cells.append(f"{np.mean([run['seconds'] for run in runs]):.0f}")
        lines.append(f"| {contender.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tell(progress: TrainingProgress) -> None:
    """Say on stderr how far it is."""
    print(f"{progress.stage} {progress.step}/{progress.total} {progress.text}", file=sys.stderr)


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--scenes", default=1000, show_default=True, help="To learn from.")
@click.option("--test-scenes", default=120, show_default=True)
@click.option("--epochs", default=10, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(out: Path, scenes: int, test_scenes: int, epochs: int, seeds: int, threads: int) -> None:
    """Print the table, and keep it in OUT as far as it is known after each training."""
    torch.set_num_threads(threads)
    comparison = Comparison(out, scenes=scenes, test_scenes=test_scenes, epochs=epochs)
    found: dict[Contender, list[dict[str, float]]] = {}
    for contender in CONTENDERS:
        for seed in range(1, seeds + 1):
            figures = comparison.figures(contender, seed=seed)
            found.setdefault(contender, []).append(figures)
            (out / "captioners.md").write_text(table(found) + "\n", encoding="utf-8")
    click.echo(table(found))


if __name__ == "__main__":
    main()
