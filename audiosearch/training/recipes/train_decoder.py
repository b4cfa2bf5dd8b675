"""The second stage: teach the decoder to caption the frozen encoder's frames.

In: cached frames and the descriptions of their scenes; a fresh caption is written for each scene
in each epoch. Out: a checkpoint. Augmentation is that of Labbé et al. 2023
(https://arxiv.org/abs/2308.15090) as far as the recipe says: mixup of features and word embeddings,
label smoothing, frame SpecAugment. Two things are not the paper's: at times the sound is taken
away, so that cross-entropy without sound is meaningful; and ranking terms (`ranking`) ask that each
caption be likelier for its own scene than for another, its twin in time above all, and likelier for
it than one that tells another order in the same words.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch._typing import Ints
from audiosearch.model.tokenizer import PAD, Vocabulary
from audiosearch.training.checkpoints import Progress, Report, load_state, save_state
from audiosearch.training.data import augment
from audiosearch.training.data.batches import Batch, CaptionedScenes, epoch_batches, make_batch
from audiosearch.training.networks.decoder import (
    DecoderConfig,
    DecoderNetwork,
    Memory,
    caption_cross_entropy,
)
from audiosearch.training.ranking import log_likelihood, ranking_loss, wording_loss
from audiosearch.training.recipes.decoder_recipe import (
    DecoderRecipe,
    decoder_learning_rate,
    decoder_optimiser,
)
from audiosearch.training.scenes.captions import Relation, Written, write_both


@dataclass(frozen=True)
class HeldOut:
    """How the decoder does on validation scenes."""

    with_sound: float
    """Mean cross-entropy, nats a word."""
    without: float
    """The same with the sound taken away."""
    order: float
    """Share of captions of scenes with a reversed twin that fit their own scene better."""


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
            held_out = self.validate()
            seconds = time.monotonic() - started
            self._report(
                report,
                f"loss {loss:.4f}; held-out CE {held_out.with_sound:.4f}, "
                f"without sound {held_out.without:.4f}, order {held_out.order:.3f}; "
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
        batches = epoch_batches(
            self.scenes,
            self.vocabulary,
            numbers,
            batch=self.recipe.batch,
            pool=self.recipe.pool,
            unknown_chance=self.recipe.unknown_chance,
        )
        first = self.epoch * self.steps_per_epoch
        losses = [self._train_step(batch, first + at) for at, batch in enumerate(batches)]
        return float(np.mean(losses))

    def _train_step(self, batch: Batch, step: int) -> float:
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        torch.manual_seed(self.seed * 1_000_003 + step)  # dropout draws from the global one
        for group in self.optimiser.param_groups:
            group["lr"] = decoder_learning_rate(
                step, self.recipe, steps_per_epoch=self.steps_per_epoch
            )
        self.network.train()
        recipe = self.recipe.at(self.epoch)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.half_precision):
            said = mixed_logits(self.network, batch, recipe, rng)
        words = log_p(said.own)
        loss = smoothed_cross_entropy(words, batch.targets, smoothing=recipe.label_smoothing)
        if said.rival is not None:
            loss = loss + recipe.ranking_weight * ranking_loss(
                log_likelihood(words, batch.targets, ignored=PAD),
                log_likelihood(log_p(said.rival), batch.targets, ignored=PAD),
                batch.told_apart,
            )
        if said.wrong is not None:
            loss = loss + recipe.wording_weight * wording_loss(
                words[batch.wrong_rows],
                batch.targets[batch.wrong_rows],
                log_p(said.wrong),
                batch.wrong_targets,
                ~said.silent[batch.wrong_rows],
                ignored=PAD,
            )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def validate(self) -> HeldOut:
        """Mean cross-entropy of fixed held-out captions, with the sound and without any."""
        self.network.eval()
        numbers = np.random.default_rng([self.seed, 0x7A1])
        texts = [write_both(numbers, what) for what in self.validation.descriptions]
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
        return HeldOut(
            with_sound=float(own.mean()),
            without=float(torch.cat(unheard).mean()),
            order=float(torch.cat(twins).float().mean()) if twins else math.nan,
        )

    def _losses(self, rows: Ints, sounds: Ints | None, texts: Sequence[Written]) -> Tensor:
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


@dataclass(frozen=True)
class Said:
    """What the decoder makes of a batch."""

    own: Tensor
    """Logits `(B, S, V)` of the captions for their own sounds."""
    rival: Tensor | None
    """`(B, S, V)` of the captions for their rivals' sounds."""
    wrong: Tensor | None
    """`(W, S, V)` of the wrong captions for the sounds that they are wrong of."""
    silent: Tensor
    """`(B,)` True where the sound was taken away."""


def mixed_logits(
    network: DecoderNetwork, batch: Batch, recipe: DecoderRecipe, rng: Generator
) -> Said:
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
    memory = network.decoder.memory(frames, lengths)
    size = features.shape[0]
    said, heard = [words], [torch.arange(size)]
    ranked, worded = recipe.ranking_weight > 0, recipe.wording_weight > 0
    if ranked:
        said.append(clean)
        heard.append(batch.rivals)
    if worded:
        said.append(network.decoder.embed(batch.wrong_inputs))
        heard.append(batch.wrong_rows)
    rows = torch.cat(heard)
    sounds = Memory(*(part.index_select(0, rows) for part in memory))
    past = network.decoder.empty_past(len(rows))
    logits: Tensor = network.decoder(torch.cat(said), sounds, past)[0]
    first_wrong = 2 * size if ranked else size
    return Said(
        own=logits[:size],
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
