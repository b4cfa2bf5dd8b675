"""The second stage: teach the decoder to caption the frozen encoder's frames.

Augmented as Labbé et al. 2023 (https://arxiv.org/abs/2308.15090). Ours are the ranking terms, and
taking the sound away at times, so that cross-entropy without sound is meaningful.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch._typing import Ints
from audiosearch.model.tokenizer import PAD, Vocabulary
from audiosearch.training.checkpoints import State
from audiosearch.training.data import augment
from audiosearch.training.networks.decoder import (
    CaptionerNetwork,
    DecoderConfig,
    DecoderMemory,
    caption_cross_entropy,
)
from audiosearch.training.networks.gru import captioner_for, config_text
from audiosearch.training.scenes.batches import (
    Batch,
    CaptionedScenes,
    epoch_batches,
    make_batch,
)
from audiosearch.training.scenes.ranking import log_likelihood, ranking_loss, wording_loss
from audiosearch.training.text.captions import CaptionPair, Relation, write_pair
from audiosearch.training.trainer import Trainer, cycle_of, half_cosine


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
    ranking_weight: float = 0.0
    """How much the ranking term counts beside cross-entropy; 0 as published: not at all."""
    wording_weight: float = 0.0
    """How much it counts that the right order is likelier than a wrong one; 0 as published."""
    wording_epochs: int = 0
    """In how many of the last epochs it does: before sentences are known it only hinders them."""
    pool: int = 1
    """How many batches are sorted by length together, so that little of a batch is padding."""
    silent_chance: float = 0.0
    """How often the sound is replaced by the one zero frame that stands for none."""
    unknown_chance: float = 0.0
    """How often a content word is replaced by UNK."""
    fused: bool = False
    """Whether the optimiser uses its fused kernels: faster, the same up to rounding."""
    rate_by_epoch: bool = True
    """Whether the learning rate changes between epochs only, as published."""
    restarts: tuple[int, ...] = ()
    """Epochs at which the learning rate starts anew (https://arxiv.org/abs/1608.03983)."""
    warm_up: int = 0
    """For how many steps the learning rate grows."""
    warm_up_epochs: float = 0.0
    """The same in epochs, beside those steps."""
    half_precision: bool = False

    def at(self, epoch: int) -> DecoderRecipe:
        """The recipe without what has ended, or has not begun, in this epoch (from 0)."""
        mixing = self.mixup_epochs is None or epoch < self.mixup_epochs
        wording = epoch >= self.epochs - self.wording_epochs
        return replace(
            self,
            mixup_alpha=self.mixup_alpha if mixing else 0.0,
            wording_weight=self.wording_weight if wording else 0.0,
        )


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
    epochs=30,
    batch=64,
    learning_rate=1e-3,
    weight_decay=0.05,
    label_smoothing=0.05,
    clip_norm=1.0,
    mixup_alpha=0.0,
    stripes=augment.STARTER_DECODER_STRIPES,
    ranking_weight=1.0,
    wording_weight=0.3,
    wording_epochs=20,
    pool=16,
    silent_chance=0.1,
    unknown_chance=0.02,
    fused=True,
    rate_by_epoch=False,
    restarts=(15,),
    warm_up=200,
    half_precision=True,
)

TUNED_DECODER = replace(
    STARTER_DECODER, epochs=24, learning_rate=7e-4, wording_epochs=24, restarts=()
)
"""From a decoder that knows another encoder, or fewer words."""


def starter_decoder_config(*, vocabulary: int, feature_dim: int) -> DecoderConfig:
    """The bundled model's decoder: the paper's, with fewer layers and frame positions."""
    return DecoderConfig(
        vocabulary=vocabulary,
        feature_dim=feature_dim,
        dim=256,
        heads=4,
        layers=4,
        feedforward=768,
        dropout=0.0,
        projection_dropout=0.2,
        max_positions=64,
        frame_positions=64,
    )


@torch.no_grad()
def take_over(
    network: CaptionerNetwork,
    words: Sequence[str],
    known: CaptionerNetwork,
    known_words: Sequence[str],
) -> None:
    """Give a decoder the weights of another, word by word; words that are new stay as they are.

    Args:
        network: of the same sizes but for its vocabulary.
        words: of its vocabulary, in order.
        known: the other.
        known_words: of its vocabulary.
    """
    places = {word: place for place, word in enumerate(known_words)}
    both = [(place, places[word]) for place, word in enumerate(words) if word in places]
    own, others = torch.tensor(both).T
    weights, start = network.state_dict(), known.state_dict()
    for name, value in start.items():
        if name in BY_WORD:
            weights[name][own] = value[others]
        else:
            weights[name] = value
    network.load_state_dict(weights)


BY_WORD = ("decoder.emb_layer.weight", "decoder.classifier.weight", "decoder.classifier.bias")


def decoder_optimiser(network: CaptionerNetwork, recipe: DecoderRecipe) -> torch.optim.AdamW:
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
        fused=recipe.fused,
    )


def decoder_learning_rate(step: int, recipe: DecoderRecipe, *, steps_per_epoch: int) -> float:
    """Half a cosine over all epochs, stepwise or smooth, after a linear warm-up.

    The same from each restart on.
    """
    first, end = cycle_of(step / steps_per_epoch, recipe.restarts, recipe.epochs)
    since = step - first * steps_per_epoch
    epoch = since // steps_per_epoch if recipe.rate_by_epoch else since / steps_per_epoch
    rate = recipe.learning_rate * half_cosine(epoch / (end - first))
    warm_up = recipe.warm_up + round(recipe.warm_up_epochs * steps_per_epoch)
    return rate * min(1.0, (since + 1) / warm_up) if warm_up else rate


@dataclass(frozen=True)
class ValidationLoss:
    """How the decoder does on validation scenes."""

    with_sound: float
    """Mean cross-entropy, nats a word."""
    without: float
    """The same with the sound taken away."""
    order: float
    """Share of captions of scenes with a reversed twin that fit their own scene better."""


class DecoderTrainer(Trainer[CaptionerNetwork, Batch]):
    """A fresh caption is written for each scene in each epoch."""

    stage = "decoder"

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
        network = captioner_for(config)
        super().__init__(
            network,
            decoder_optimiser(network, recipe),
            seed=seed,
            folder=folder,
            epochs=recipe.epochs,
            steps_per_epoch=math.ceil(len(scenes.descriptions) / recipe.batch),
            clip_norm=recipe.clip_norm,
        )

    def batches(self, epoch: int, *, first: int) -> Iterator[Batch]:
        """All scenes once, with captions of this epoch."""
        every = epoch_batches(
            self.scenes,
            self.vocabulary,
            np.random.default_rng([self.seed, epoch, 0xDEC0DE]),
            batch=self.recipe.batch,
            pool=self.recipe.pool,
            unknown_chance=self.recipe.unknown_chance,
        )
        return itertools.islice(every, first, None)

    def learning_rate(self, step: int) -> float:
        """See `decoder_learning_rate`."""
        return decoder_learning_rate(step, self.recipe, steps_per_epoch=self.steps_per_epoch)

    def loss(self, batch: Batch, rng: Generator) -> Tensor:
        """Smoothed cross-entropy, with what the recipe has of ranking terms."""
        recipe = self.recipe.at(self.epoch)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.half_precision):
            logits = mixed_logits(self.network, batch, recipe, rng)
        words = log_p(logits.matched)
        loss = smoothed_cross_entropy(words, batch.targets, smoothing=recipe.label_smoothing)
        if logits.rival is not None:
            loss = loss + recipe.ranking_weight * ranking_loss(
                log_likelihood(words, batch.targets, ignored=PAD),
                log_likelihood(log_p(logits.rival), batch.targets, ignored=PAD),
                batch.contradicts,
            )
        if logits.wrong is not None:
            loss = loss + recipe.wording_weight * wording_loss(
                words[batch.wrong_rows],
                batch.targets[batch.wrong_rows],
                log_p(logits.wrong),
                batch.wrong_targets,
                ~logits.silent[batch.wrong_rows],
                ignored=PAD,
            )
        return loss

    def validate(self) -> str:
        """Cross-entropies of held-out captions, and how many tell a scene from its twin."""
        found = self.held_out()
        return (
            f"held-out CE {found.with_sound:.4f}, without sound {found.without:.4f},"
            f" order {found.order:.3f}"
        )

    def finished(self) -> State:
        """The decoder, its sizes and its words."""
        return {
            "network": self.network.state_dict(),
            "config": config_text(self.network.config),
            "words": list(self.vocabulary.words),
        }

    @torch.no_grad()
    def held_out(self) -> ValidationLoss:
        """Mean cross-entropy of fixed held-out captions, with the sound and without any."""
        self.network.eval()
        numbers = np.random.default_rng([self.seed, 0x7A1])
        texts = [write_pair(numbers, what) for what in self.validation.descriptions]
        heard, unheard, twins = [], [], []
        relations = [what.relation for what in self.validation.descriptions]
        pairs = [
            row
            for row, twin in enumerate(self.validation.twins)
            if twin is not None and relations[row] is relations[twin] is Relation.SEQUENCE
        ]
        for at in range(0, len(texts), 256):
            rows = np.arange(at, min(len(texts), at + 256))
            heard.append(self._losses(rows, rows, texts))
            unheard.append(self._losses(rows, None, texts))
        own = torch.cat(heard)
        for at in range(0, len(pairs), 256):
            rows = np.array(pairs[at : at + 256])
            others = np.array([self.validation.twins[row] for row in rows])
            twins.append(own[torch.from_numpy(rows)] < self._losses(rows, others, texts))
        return ValidationLoss(
            with_sound=float(own.mean()),
            without=float(torch.cat(unheard).mean()),
            order=float(torch.cat(twins).float().mean()) if twins else math.nan,
        )

    def _losses(self, rows: Ints, sounds: Ints | None, texts: Sequence[CaptionPair]) -> Tensor:
        """Cross-entropies `(B,)` of the captions at `rows` given other rows' sounds, or none."""
        rng = np.random.default_rng(0)
        chosen = [texts[row] for row in rows]
        batch = make_batch(self.validation, rows, chosen, self.vocabulary, rng, unknown_chance=0.0)
        if sounds is None:
            frames = self.network.null_frames(len(rows))
            lengths = torch.ones(len(rows), dtype=torch.long)
        else:
            values = self.validation.features.values[sounds].astype(np.float32)
            frames = self.network.project(torch.from_numpy(values))
            lengths = torch.from_numpy(self.validation.features.lengths[sounds])
        return caption_cross_entropy(self.network(frames, lengths, batch.inputs), batch.targets)


@dataclass(frozen=True)
class MixedLogits:
    """What the decoder makes of a batch."""

    matched: Tensor
    """Logits `(B, S, V)` of the captions for their own sounds."""
    rival: Tensor | None
    """`(B, S, V)` of the captions for their rivals' sounds."""
    wrong: Tensor | None
    """`(W, S, V)` of the wrong captions for the sounds that they are wrong of."""
    silent: Tensor
    """`(B,)` True where the sound was taken away."""


def mixed_logits(
    network: CaptionerNetwork, batch: Batch, recipe: DecoderRecipe, rng: Generator
) -> MixedLogits:
    """Logits under the recipe's augmentations, those for rivals and those of wrong captions.

    Features and word embeddings are mixed with the same partner and share; the audio length is
    the longer of the two, the targets are the row's own. Rivals are heard with clean words, and
    only where the recipe has a ranking term; wrong captions are clean words too.
    """
    features = augment.mask_stripes(
        rng, batch.features, stripes=recipe.stripes, fill=torch.zeros(())
    )
    words, lengths = network.decoder.embed(batch.inputs), batch.lengths
    clean = words
    if recipe.mixup_alpha > 0:
        partner = augment.derangement(rng, features.shape[0])
        share = augment.mixup_share(rng, alpha=recipe.mixup_alpha)
        features = share * features + (1 - share) * features[partner]
        words = share * words + (1 - share) * words[partner]
        lengths = torch.maximum(lengths, lengths[partner])
    frames = network.project(features)
    silent = torch.rand(lengths.shape, generator=rng) < recipe.silent_chance
    frames = torch.where(silent[:, None, None], torch.zeros(()), frames)
    lengths = torch.where(silent, 1, lengths)
    memory = network.memory(frames, lengths)
    size = features.shape[0]
    embedded, sound_rows = [words], [torch.arange(size)]
    ranked, worded = recipe.ranking_weight > 0, recipe.wording_weight > 0
    if ranked:
        embedded.append(clean)
        sound_rows.append(batch.rivals)
    if worded:
        embedded.append(network.decoder.embed(batch.wrong_inputs))
        sound_rows.append(batch.wrong_rows)
    rows = torch.cat(sound_rows)
    sounds = DecoderMemory(*(part.index_select(0, rows) for part in memory))
    past = network.decoder.empty_past(len(rows))
    logits: Tensor = network.decoder(torch.cat(embedded), sounds, past)[0]
    first_wrong = 2 * size if ranked else size
    return MixedLogits(
        matched=logits[:size],
        rival=logits[size:first_wrong] if ranked else None,
        wrong=logits[first_wrong:] if worded else None,
        silent=silent,
    )


def log_p(logits: Tensor) -> Tensor:
    """Log-probabilities of words, in float32."""
    return functional.log_softmax(logits.float(), dim=2)


def smoothed_cross_entropy(log_p: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
    """Mean over the targets that are not PAD, with label smoothing, of log p `(B, S, V)`.

    As PyTorch's own, from log p that the ranking term needs as well.
    """
    counted = targets != PAD
    chosen = log_p.gather(2, targets.unsqueeze(2)).squeeze(2)
    mixed = (1 - smoothing) * chosen + smoothing * log_p.mean(dim=2)
    return -(mixed * counted).sum() / counted.sum()
