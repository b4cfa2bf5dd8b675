"""The third stage: one space for sounds and texts, on the frozen encoder and sentence model.

InfoNCE as in CLAP; scenes of the same sounds are no negatives of each other, since the text tower
hears no order. Noise on meanings lets words that no caption held go where their neighbours go.
Beside scenes with captions there may be stretches with the names of what is heard in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from audiosearch._typing import Floats, Halves, Ints
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

    epochs: int = 24
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
    stretches: float = 1.0
    """How much the loss of named stretches counts beside that of scenes."""
    first_scale: float = 1 / 0.07
    largest_scale: float = 100.0


STARTER_JOINT = JointRecipe(spread=2.0)


@dataclass(frozen=True)
class TaggedScenes:
    """Scenes with what the encoder makes of them."""

    descriptions: tuple[SceneDescription, ...]
    logits: Floats
    """`(n_scenes, C)` of the encoder's tags."""


@dataclass(frozen=True)
class NamedStretches:
    """Stretches of sound with what the encoder makes of them, and what is heard in them."""

    logits: Halves
    """`(n, 2 C)` as `tag_evidence` gives them."""
    heard: npt.NDArray[np.uint8]
    """`(n, C)`: how probably each tag is heard, 255 being certain."""
    names: tuple[tuple[str, ...], ...]
    """For each tag what people may call it."""


SURELY, PERHAPS = 90, 20
"""Of 255: from where on a stretch may be called by a tag's name, and is no negative of it."""


class NamePairs:
    """Draws stretches with a name of what is heard in each, rare tags nearly as often as common."""

    def __init__(self, stretches: NamedStretches, sentences: SentenceEmbedder) -> None:
        self.stretches = stretches
        rows, tags = np.nonzero(stretches.heard >= SURELY)
        order = np.argsort(tags, kind="stable")
        self.rows = rows[order]
        counts = np.bincount(tags, minlength=stretches.heard.shape[1])
        self.first = np.concatenate([[0], np.cumsum(counts)])
        self.chances = np.sqrt(np.minimum(counts, 50)) / np.sqrt(np.minimum(counts, 50)).sum()
        texts = [text for names in stretches.names for text in names]
        self.meanings = sentences.embed(texts)
        self.first_name = np.concatenate([[0], np.cumsum([len(n) for n in stretches.names])])

    def draw(self, rng: np.random.Generator, size: int) -> tuple[Ints, Ints, Floats]:
        """Rows `(B,)`, their tags `(B,)`, and what a name of each means `(B, sentence_dim)`."""
        tags = rng.choice(self.chances.size, size=size, p=self.chances)
        rows = self.rows[rng.integers(self.first[tags], self.first[tags + 1])]
        names = rng.integers(self.first_name[tags], self.first_name[tags + 1])
        return rows, tags, self.meanings[names]

    def both(self, rows: Ints, tags: Ints) -> Tensor:
        """`(B, B)` True where a stretch may be called by the other's name as well."""
        return torch.from_numpy(self.stretches.heard[rows][:, tags] >= PERHAPS)

    def concepts(self) -> Floats:
        """`(C, sentence_dim)`: the unit mean of what each tag's names mean."""
        parts = np.split(self.meanings, self.first_name[1:-1])
        means = np.stack([part.mean(axis=0) for part in parts])
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))


@dataclass(frozen=True)
class JointBatch:
    """One step's data."""

    rows: Ints
    """`(B,)` of scenes."""
    meanings: Floats
    """`(B, sentence_dim)` of their captions."""
    named: tuple[Ints, Ints, Floats] | None
    """As `NamePairs.draw` gives them; None: there are no stretches."""


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


class JointTrainer(Trainer[JointSpace, JointBatch]):
    """Scenes with their captions and, where there are any, as many stretches with a name."""

    stage = "joint"

    def __init__(
        self,
        training: TaggedScenes,
        validation: TaggedScenes,
        sentences: SentenceEmbedder,
        *,
        stretches: NamedStretches | None = None,
        recipe: JointRecipe,
        seed: int,
        folder: Path,
    ) -> None:
        torch.manual_seed(seed)
        self.named = None if stretches is None else NamePairs(stretches, sentences)
        self.training = training
        self.validation = validation
        self.sentences = sentences
        self.recipe = recipe
        prototypes = sound_meanings(sentences.embed)
        if self.named is not None:
            prototypes = np.concatenate([prototypes, self.named.concepts()])
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

    def batches(self, epoch: int, *, first: int) -> Iterator[JointBatch]:
        """All scenes once, each with its next caption."""
        meanings = self.meanings[:, epoch % self.recipe.captions]
        numbers = np.random.default_rng([self.seed, epoch, 0x701])
        for place, rows in enumerate(self._rows(numbers.permutation(len(meanings)))):
            if place < first:
                continue
            named = None
            if self.named is not None:
                drawn = np.random.default_rng([self.seed, epoch, place, 0x57E])
                named = self.named.draw(drawn, self.recipe.batch)
            yield JointBatch(rows, meanings[rows], named)

    def _rows(self, order: Ints) -> list[Ints]:
        size = self.recipe.batch
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        return [rows for rows in batches if len(rows) > 1]  # one alone has no negatives

    def learning_rate(self, step: int) -> float:
        """Half a cosine over all epochs, after a linear warm-up."""
        rate = self.recipe.learning_rate * half_cosine(step / self.steps)
        return rate * min(1.0, (step + 1) / self.recipe.warm_up)

    def loss(self, batch: JointBatch, rng: Generator) -> Tensor:
        """InfoNCE of a batch, with noise on meanings and tags."""
        meanings = torch.from_numpy(batch.meanings)
        loss = self._loss(self.training, batch.rows, meanings, rng)
        if self.named is None or batch.named is None:
            return loss
        rows, tags, meanings_of_names = batch.named
        logits = torch.from_numpy(self.named.stretches.logits[rows].astype(np.float32))
        heard = self.network.head(perturb_logits(rng, logits, spread=self.recipe.spread))
        names = self.network.concepts(self._noisy(torch.from_numpy(meanings_of_names), rng))
        scale = self.network.log_scale.exp()
        same = self.named.both(rows, tags)
        return loss + self.recipe.stretches * info_nce(heard, names, scale, same | same.T)

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
            meanings = self._noisy(meanings, rng)
            logits = perturb_logits(rng, logits, spread=self.recipe.spread)
        sounds = self.network.head(logits)
        texts = self.network.concepts(meanings)
        same = same_sounds([scenes.descriptions[row] for row in rows])
        return info_nce(sounds, texts, self.network.log_scale.exp(), same)

    def _noisy(self, meanings: Tensor, rng: Generator) -> Tensor:
        length = self.recipe.noise / math.sqrt(meanings.shape[1])
        moved = meanings + length * torch.randn(meanings.shape, generator=rng)
        return functional.normalize(moved, dim=1)

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
