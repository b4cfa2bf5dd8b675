"""The second stage: teach the decoder to caption the frozen encoder's frames.

In: cached frames and the descriptions of their scenes; a fresh caption is written for each scene
in each epoch. Out: a checkpoint. Augmentation follows Labbé et al. 2023
(https://arxiv.org/abs/2308.15090): mixup of features and word embeddings, label smoothing, frame
SpecAugment. At times the sound is taken away, so that cross-entropy without sound is meaningful.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch.model.text import PAD, Vocabulary
from audiosearch.training import augment
from audiosearch.training.captions import Description, write_caption
from audiosearch.training.checkpoints import Progress, Report, load_state, save_state
from audiosearch.training.decoder import DecoderConfig, DecoderNetwork, caption_cross_entropy
from audiosearch.training.features import SceneFeatures
from audiosearch.training.vocabulary import encode_captions, forget_words


@dataclass(frozen=True)
class DecoderRecipe:
    """How the decoder is trained."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    clip_norm: float
    mixup_alpha: float = 0.4
    mixup_epochs: int | None = None
    """After how many epochs mixing ends, so that the last ones see clean sentences; None: never."""
    stripes: augment.Stripes = augment.PAPER_DECODER_STRIPES
    silent_chance: float = 0.0
    """How often the sound is replaced by the one zero frame that stands for none."""
    unknown_chance: float = 0.0
    """How often a content word is replaced by UNK."""
    rate_by_epoch: bool = True
    """Whether the learning rate changes between epochs only, as published."""
    warm_up: int = 0
    half_precision: bool = False


PAPER_CLOTHO = DecoderRecipe(
    epochs=400,
    batch=512,
    learning_rate=5e-4,
    weight_decay=2.0,
    label_smoothing=0.2,
    clip_norm=1.0,
)
PAPER_AUDIOCAPS = DecoderRecipe(
    epochs=100,
    batch=512,
    learning_rate=5e-4,
    weight_decay=2.0,
    label_smoothing=0.1,
    clip_norm=10.0,
)
STARTER_DECODER = DecoderRecipe(
    epochs=42,
    mixup_epochs=13,
    batch=64,
    learning_rate=7e-4,
    weight_decay=0.05,
    label_smoothing=0.1,
    clip_norm=1.0,
    silent_chance=0.1,
    unknown_chance=0.02,
    rate_by_epoch=False,
    warm_up=100,
    half_precision=True,
)


def starter_decoder_config(*, vocabulary: int, feature_dim: int) -> DecoderConfig:
    """The bundled model's decoder: the paper's, with fewer layers and frame positions."""
    return DecoderConfig(
        vocabulary=vocabulary,
        feature_dim=feature_dim,
        dim=256,
        heads=4,
        layers=4,
        feedforward=768,
        dropout=0.1,
        projection_dropout=0.2,
        max_positions=64,
        frame_positions=64,
    )


@dataclass(frozen=True)
class CaptionedScenes:
    """What the decoder learns from, or is validated on."""

    features: SceneFeatures
    descriptions: tuple[Description, ...]


@dataclass(frozen=True)
class Batch:
    """One step's data."""

    features: Tensor
    """`(B, T, dim)`."""
    lengths: Tensor
    """`(B,)`."""
    inputs: Tensor
    """`(B, S)` ids from BOS on."""
    targets: Tensor
    """`(B, S)` ids to EOS, then PAD."""


class DecoderTrainer:
    """Network, optimiser and data of one run; `run` goes from the last checkpoint to the end."""

    def __init__(
        self,
        scenes: CaptionedScenes,
        validation: CaptionedScenes,
        vocabulary: Vocabulary,
        *,
        config: DecoderConfig,
        recipe: DecoderRecipe,
        seed: int,
        folder: Path,
    ) -> None:
        torch.manual_seed(seed)
        self.scenes = scenes
        self.validation = validation
        self.vocabulary = vocabulary
        self.recipe = recipe
        self.seed = seed
        self.folder = folder
        self.network = DecoderNetwork(config)
        self.optimiser = decoder_optimiser(self.network, recipe)
        self.epoch = 0
        self.steps_per_epoch = math.ceil(len(scenes.descriptions) / recipe.batch)

    def run(self, *, report: Report) -> Path:
        """Train to the end and return the path of the finished decoder."""
        unfinished, finished = self.folder / "decoder.partial.pt", self.folder / "decoder.pt"
        if unfinished.exists():
            self._restore(unfinished)
        while self.epoch < self.recipe.epochs:
            started = time.monotonic()
            loss = self._train_epoch()
            self.epoch += 1
            self._save(unfinished)
            with_sound, without = self.validate()
            seconds = time.monotonic() - started
            self._report(
                report,
                f"loss {loss:.4f}; held-out CE {with_sound:.4f}, without sound {without:.4f}; "
                f"{seconds:.0f} s",
            )
        state = {
            "network": self.network.state_dict(),
            "config": json.dumps(asdict(self.network.config)),
            "words": list(self.vocabulary.words),
        }
        save_state(state, finished)
        self._report(report, f"wrote {finished}")
        return finished

    def _train_epoch(self) -> float:
        numbers = np.random.default_rng([self.seed, self.epoch, 0xDEC0DE])
        order = numbers.permutation(len(self.scenes.descriptions))
        losses = []
        for number, at in enumerate(range(0, len(order), self.recipe.batch)):
            rows = np.sort(order[at : at + self.recipe.batch])
            if len(rows) < 2:
                continue  # nothing to mix with
            batch = make_batch(self.scenes, rows, self.vocabulary, self.recipe, numbers)
            losses.append(self._train_step(batch, self.epoch * self.steps_per_epoch + number))
        return float(np.mean(losses))

    def _train_step(self, batch: Batch, step: int) -> float:
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        torch.manual_seed(self.seed * 1_000_003 + step)  # dropout draws from the global one
        for group in self.optimiser.param_groups:
            group["lr"] = decoder_learning_rate(
                step, self.recipe, steps_per_epoch=self.steps_per_epoch
            )
        self.network.train()
        mixing = self.recipe.mixup_epochs is None or self.epoch < self.recipe.mixup_epochs
        recipe = self.recipe if mixing else replace(self.recipe, mixup_alpha=0.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.half_precision):
            logits = mixed_logits(self.network, batch, recipe, rng)
        loss = functional.cross_entropy(
            logits.float().transpose(1, 2),
            batch.targets,
            ignore_index=PAD,
            label_smoothing=self.recipe.label_smoothing,
        )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Mean cross-entropy of fixed held-out captions, with the sound and without any."""
        self.network.eval()
        numbers = np.random.default_rng([self.seed, 0x7A1])
        plain = DecoderRecipe(1, 1, 0.0, 0.0, 0.0, 1.0)
        heard, unheard = [], []
        total = len(self.validation.descriptions)
        for at in range(0, total, 256):
            rows = np.arange(at, min(total, at + 256))
            batch = make_batch(self.validation, rows, self.vocabulary, plain, numbers)
            frames = self.network.project(batch.features)
            logits = self.network(frames, batch.lengths, batch.inputs)
            heard.append(caption_cross_entropy(logits, batch.targets))
            nothing = self.network.null_frames(len(rows))
            ones = torch.ones(len(rows), dtype=torch.long)
            logits = self.network(nothing, ones, batch.inputs)
            unheard.append(caption_cross_entropy(logits, batch.targets))
        return float(torch.cat(heard).mean()), float(torch.cat(unheard).mean())

    def _report(self, report: Report, text: str) -> None:
        report(Progress(stage="decoder", step=self.epoch, total=self.recipe.epochs, text=text))

    def _save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "recipe": json.dumps(asdict(self.recipe)),
            "epoch": self.epoch,
        }
        save_state(state, path)

    def _restore(self, path: Path) -> None:
        state = load_state(path)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch = int(state["epoch"])


def make_batch(
    scenes: CaptionedScenes,
    rows: npt.NDArray[np.int64],
    vocabulary: Vocabulary,
    recipe: DecoderRecipe,
    rng: np.random.Generator,
) -> Batch:
    """Features and a fresh caption each of the scenes at `rows`."""
    texts = [write_caption(rng, scenes.descriptions[row]) for row in rows]
    ids = encode_captions(vocabulary, texts, limit=60)
    ids = forget_words(rng, ids, chance=recipe.unknown_chance, function_words=vocabulary.repeatable)
    lengths = scenes.features.lengths[rows]
    values = scenes.features.values[rows, : lengths.max()].astype(np.float32)
    tokens = torch.from_numpy(ids)
    inputs = torch.where(tokens[:, :-1] == 2, PAD, tokens[:, :-1])  # EOS is never an input
    return Batch(
        features=torch.from_numpy(values),
        lengths=torch.from_numpy(lengths),
        inputs=inputs,
        targets=tokens[:, 1:],
    )


def mixed_logits(
    network: DecoderNetwork, batch: Batch, recipe: DecoderRecipe, rng: Generator
) -> Tensor:
    """Logits `(B, S, V)` under the paper's augmentations.

    Features and word embeddings are mixed with the same partner and share; the audio length is
    the longer of the two, the targets are the row's own.
    """
    features = augment.mask_stripes(
        rng, batch.features, stripes=recipe.stripes, fill=torch.zeros(())
    )
    words, lengths = network.decoder.embed(batch.inputs), batch.lengths
    if recipe.mixup_alpha > 0:
        partner = augment.derangement(rng, features.shape[0])
        share = augment.mixup_share(rng, alpha=recipe.mixup_alpha)
        features = share * features + (1 - share) * features[partner]
        words = share * words + (1 - share) * words[partner]
        lengths = torch.maximum(lengths, lengths[partner])
    frames = network.project(features)
    if recipe.silent_chance > 0:
        silent = torch.rand(lengths.shape, generator=rng) < recipe.silent_chance
        frames = torch.where(silent[:, None, None], torch.zeros(()), frames)
        lengths = torch.where(silent, 1, lengths)
    memory = network.decoder.memory(frames, lengths)
    past = network.decoder.empty_past(features.shape[0])
    logits: Tensor = network.decoder(words, memory, past)[0]
    return logits


def decoder_optimiser(network: DecoderNetwork, recipe: DecoderRecipe) -> torch.optim.AdamW:
    """AdamW; decay on matrices only (embeddings and attention included), as published."""
    named = list(network.named_parameters())
    decayed = [p for name, p in named if p.ndim >= 2 and not name.endswith("bias")]
    plain = [p for name, p in named if p.ndim < 2 or name.endswith("bias")]
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
    )


def decoder_learning_rate(step: int, recipe: DecoderRecipe, *, steps_per_epoch: int) -> float:
    """Half a cosine over all epochs, stepwise or smooth, after a linear warm-up."""
    epoch = step // steps_per_epoch if recipe.rate_by_epoch else step / steps_per_epoch
    rate = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    return rate * min(1.0, (step + 1) / recipe.warm_up) if recipe.warm_up else rate
