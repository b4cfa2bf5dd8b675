"""The third stage: one space for sounds and texts, on the frozen encoder and sentence model.

InfoNCE as in CLAP; scenes of the same sounds are no negatives of each other, since the text tower
hears no order. Noise on meanings lets words that no caption held go where their neighbours go.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from audiosearch._typing import Floats, Ints
from audiosearch.model.wordpiece import Pieces
from audiosearch.training.checkpoints import State, load_state
from audiosearch.training.networks.attention import HIDDEN
from audiosearch.training.networks.meaning import (
    ConceptConfig,
    ConceptLayer,
    MeaningTower,
    SentenceConfig,
    SentenceTower,
)
from audiosearch.training.networks.tags import TagHead, TagHeadConfig, perturb_logits
from audiosearch.training.text.captions import PHRASES, SceneDescription, write_caption
from audiosearch.training.text.paraphrases import PARAPHRASES, sound_meanings
from audiosearch.training.text.sentence_model import SentenceEmbedder
from audiosearch.training.trainer import Trainer, half_cosine


@dataclass(frozen=True)
class JointRecipe:
    """How the joint space is trained."""

    epochs: int = 12
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warm_up: int = 50
    captions: int = 3
    """How many captions each scene has; each epoch takes the next."""
    other_words: float = 0.3
    """Share of the captions that are written in paraphrases."""
    noise: float = 0.8
    """Length of the noise on a caption's meaning, itself of length 1."""
    spread: float = 0.0
    """Standard deviation of the noise on each tag's logit; 0: none."""
    first_scale: float = 1 / 0.07
    largest_scale: float = 100.0


STARTER_JOINT = JointRecipe()


@dataclass(frozen=True)
class TaggedScenes:
    """Scenes with what the encoder makes of them."""

    descriptions: tuple[SceneDescription, ...]
    logits: Floats
    """`(n_scenes, C)` of the encoder's tags."""


@dataclass(frozen=True)
class Joint:
    """The finished space: both towers, and what the text tower reads."""

    head: TagHead
    tower: MeaningTower
    pieces: Pieces

    @torch.no_grad()
    def embed_sounds(self, logits: Floats) -> Floats:
        """Unit vectors `(n, J)` of sounds with these tag logits `(n, C)`."""
        return np.asarray(self.head(torch.from_numpy(logits)).numpy())

    @torch.no_grad()
    def embed_texts(self, texts: list[str]) -> Floats:
        """Unit vectors `(n, J)`."""
        meanings = SentenceEmbedder(self.pieces, self.tower.sentence).embed(texts)
        return np.asarray(self.tower.concepts(torch.from_numpy(meanings)).numpy())


class JointSpace(nn.Module):
    """What is trained, and the learned scale of cosines."""

    def __init__(self, head: TagHeadConfig, concepts: ConceptConfig, *, scale: float) -> None:
        super().__init__()
        self.head = TagHead(head)
        self.concepts = ConceptLayer(concepts)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))


def info_nce(sounds: Tensor, texts: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """Symmetric InfoNCE, both directions summed.

    Args:
        sounds: Unit vectors `(B, J)`.
        texts: Unit vectors `(B, J)`, row i belonging to sound i.
        scale: Inverse temperature.
        same: `(B, B)` True where a pair, though not its own, would be right as well.
    """
    eye = torch.eye(len(sounds), dtype=torch.bool)
    logits = (scale * sounds @ texts.T).masked_fill(same & ~eye, HIDDEN)
    own = torch.arange(len(sounds))
    cross_entropy = nn.functional.cross_entropy
    return cross_entropy(logits, own) + cross_entropy(logits.T, own)


class JointTrainer(Trainer[JointSpace, tuple[Ints, Floats]]):
    """A batch is numbers of scenes `(B,)` with what their captions mean `(B, sentence_dim)`."""

    stage = "joint"

    def __init__(
        self,
        training: TaggedScenes,
        validation: TaggedScenes,
        sentences: SentenceEmbedder,
        *,
        recipe: JointRecipe,
        seed: int,
        folder: Path,
    ) -> None:
        torch.manual_seed(seed)
        self.training = training
        self.validation = validation
        self.sentences = sentences
        self.recipe = recipe
        prototypes = sound_meanings(sentences.embed)
        network = JointSpace(
            TagHeadConfig(tags=training.logits.shape[1]),
            ConceptConfig(concepts=len(prototypes), sentence_dim=prototypes.shape[1]),
            scale=recipe.first_scale,
        )
        network.concepts.keys.data.copy_(torch.from_numpy(prototypes))
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        rng = np.random.default_rng([seed, 0x701])
        self.meanings = self._meanings(
            training, rng, recipe.captions, other_words=recipe.other_words
        )
        fixed = np.random.default_rng([seed, 0x7A2])
        self.held_out = self._meanings(validation, fixed, 1, other_words=0.0)[:, 0]
        super().__init__(
            network,
            optimiser,
            seed=seed,
            folder=folder,
            epochs=recipe.epochs,
            steps_per_epoch=len(self._rows(np.arange(len(self.meanings)))),
            clip_norm=1.0,
        )

    def batches(self, epoch: int, *, first: int) -> Iterator[tuple[Ints, Floats]]:
        """All scenes once, each with its next caption."""
        meanings = self.meanings[:, epoch % self.recipe.captions]
        numbers = np.random.default_rng([self.seed, epoch, 0x701])
        for rows in self._rows(numbers.permutation(len(meanings)))[first:]:
            yield rows, meanings[rows]

    def _rows(self, order: Ints) -> list[Ints]:
        size = self.recipe.batch
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        return [rows for rows in batches if len(rows) > 1]  # one alone has no negatives

    def learning_rate(self, step: int) -> float:
        """Half a cosine over all epochs, after a linear warm-up."""
        rate = self.recipe.learning_rate * half_cosine(step / self.steps)
        return rate * min(1.0, (step + 1) / self.recipe.warm_up)

    def loss(self, batch: tuple[Ints, Floats], rng: Generator) -> Tensor:
        """InfoNCE of a batch, with noise on meanings and tags."""
        rows, meanings = batch
        return self._loss(self.training, rows, torch.from_numpy(meanings), rng)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Keep the scale of cosines in bounds."""
        self.network.log_scale.clamp_(max=math.log(self.recipe.largest_scale))

    def _meanings(
        self, scenes: TaggedScenes, rng: np.random.Generator, count: int, *, other_words: float
    ) -> Floats:
        """What `count` captions of each scene mean, `(n_scenes, count, sentence_dim)`."""
        what = scenes.descriptions
        texts = []
        for each in what:
            for _ in range(count):
                wording = PARAPHRASES if rng.random() < other_words else PHRASES
                texts.append(write_caption(rng, each, wording=wording))
        return self.sentences.embed(texts).reshape(len(what), count, -1)

    def _loss(
        self, scenes: TaggedScenes, rows: Ints, meanings: Tensor, rng: Generator | None
    ) -> Tensor:
        logits = self._logits(scenes, rows)
        if rng is not None:
            length = self.recipe.noise / math.sqrt(meanings.shape[1])
            meanings = meanings + length * torch.randn(meanings.shape, generator=rng)
            meanings = functional.normalize(meanings, dim=1)
            logits = perturb_logits(rng, logits, spread=self.recipe.spread)
        sounds = self.network.head(logits)
        texts = self.network.concepts(meanings)
        same = same_sounds([scenes.descriptions[row] for row in rows])
        return info_nce(sounds, texts, self.network.log_scale.exp(), same)

    def _logits(self, scenes: TaggedScenes, rows: Ints) -> Tensor:
        return torch.from_numpy(scenes.logits[rows])

    @torch.no_grad()
    def validate(self) -> str:
        """The loss on fixed held-out captions."""
        self.network.eval()
        meanings, size = self.held_out, self.recipe.batch
        losses = [
            float(self._loss(self.validation, rows, torch.from_numpy(meanings[rows]), None))
            for rows in np.array_split(np.arange(len(meanings)), len(meanings) // size + 1)
        ]
        return f"held-out loss {np.mean(losses):.4f}"

    def finished(self) -> State:
        """Both towers, whole."""
        network, sentences = self.network, self.sentences
        return {
            "network": network.state_dict(),
            "head": json.dumps(asdict(network.head.config)),
            "concepts": json.dumps(asdict(network.concepts.config)),
            "sentences": sentences.tower.state_dict(),
            "sentence": json.dumps(asdict(sentences.tower.config)),
            "pieces": list(sentences.pieces.pieces),
        }


def same_sounds(descriptions: list[SceneDescription]) -> Tensor:
    """`(B, B)` True where two descriptions hold the same sounds, in any order or number."""
    keys = [tuple(sorted({*what.sounds, what.background or ""})) for what in descriptions]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    ids = torch.tensor([numbers[key] for key in keys])
    return ids.unsqueeze(0) == ids.unsqueeze(1)


def load_joint(path: Path) -> Joint:
    """The towers of a finished run, in evaluation mode."""
    state = load_state(path)
    head, concepts = json.loads(state["head"]), json.loads(state["concepts"])
    network = JointSpace(TagHeadConfig(**head), ConceptConfig(**concepts), scale=1.0)
    network.load_state_dict(state["network"])
    sentence = SentenceTower(SentenceConfig(**json.loads(state["sentence"])))
    sentence.load_state_dict(state["sentences"])
    return Joint(
        head=network.head.eval(),
        tower=MeaningTower(sentence, network.concepts).eval(),
        pieces=Pieces(tuple(state["pieces"])),
    )
