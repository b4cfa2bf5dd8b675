"""The training itself: both encoders, their heads and the temperature, by Adam."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Generator, Tensor

from audiosearch.model.wordpiece import Pieces
from audiosearch.training.checkpoints import State
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND, tag_scores
from audiosearch.training.networks.frontend import FrontendConfig, LogMel
from audiosearch.training.networks.matching import MatchingNetwork
from audiosearch.training.pairs.data import PairBatch, PairData
from audiosearch.training.pairs.losses import claip_loss, clap_loss, clap_tag_loss
from audiosearch.training.pairs.recipe import PairRecipe
from audiosearch.training.trainer import Trainer, half_cosine


class PairTrainer(Trainer[MatchingNetwork, PairBatch]):
    """CLAP, CLAP-TAG, CLAIP or CLAIP-TAG, as the recipe and the data say.

    What the frozen encoder hears is that of the encoder as the run began: the pre-trained one.
    """

    stage = "pairs"

    def __init__(
        self,
        network: MatchingNetwork,
        data: PairData,
        *,
        recipe: PairRecipe,
        pieces: Pieces,
        seed: int,
        folder: Path,
        device: torch.device | None = None,
        frontend: FrontendConfig = CNN14_FRONTEND,
    ) -> None:
        """Begin with the network as it is, which is moved to `device`.

        `frontend` is what its encoder hears through; a narrow one may have one of its own.
        """
        self.device = device or torch.device("cpu")
        network.to(self.device)
        super().__init__(
            network,
            torch.optim.Adam(network.parameters(), lr=recipe.learning_rate),
            seed=seed,
            folder=folder,
            epochs=recipe.epochs,
            steps_per_epoch=data.steps(recipe.batch),
            clip_norm=recipe.clip_norm,
        )
        self.data, self.recipe, self.pieces = data, recipe, pieces
        self.log_mel = LogMel(frontend).to(self.device)
        self.frozen = copy.deepcopy(network.sound).eval().requires_grad_(False)

    def batches(self, epoch: int, *, first: int) -> Iterator[PairBatch]:
        """See `Trainer`."""
        return self.data.batches(self.recipe.batch, seed=self.seed, epoch=epoch, first=first)

    def learning_rate(self, step: int) -> float:
        """Linear growth, then a cosine down to zero."""
        warm_up = max(1, round(self.recipe.warm_up_epochs * self.steps_per_epoch))
        if step < warm_up:
            return self.recipe.learning_rate * (step + 1) / warm_up
        done = (step - warm_up) / max(1, self.steps - warm_up)
        return self.recipe.learning_rate * half_cosine(done)

    def loss(self, batch: PairBatch, rng: Generator) -> Tensor:
        """Eq (1), with what eqs (4) and (7) add where they are asked for."""
        network, recipe = self.network, self.recipe
        decibels = self.log_mel(batch.waveforms.to(self.device))
        heard, text = network.hear(decibels), network.read(batch.tokens.to(self.device))
        total = clap_loss(heard.joint, text, network.temperature)
        if recipe.tag_distance is not None:
            with torch.no_grad():
                frozen = tag_scores(self.frozen(decibels))
            total = clap_tag_loss(
                total, heard.tags, frozen, kind=recipe.tag_distance, weight=recipe.tag_weight
            )
        if network.image_head is not None:
            seen, has_image = network.see(batch.images.to(self.device)), batch.has_image
            total = claip_loss(total, seen, text, has_image.to(self.device), network.temperature)
        return total

    def validate(self) -> str:
        """The temperature, which tells whether it learns."""
        return f"temperature {float(self.network.temperature.detach()):.3f}"

    def state(self) -> State:
        """The frozen encoder, which a run that goes on must find as it was."""
        return {"frozen": self.frozen.state_dict()}

    def restore(self, state: State) -> None:
        """See `Trainer`."""
        self.frozen.load_state_dict(state["frozen"])

    def finished(self) -> State:
        """The network, its sizes, and what its text side reads."""
        sound, text = self.network.sound.config, self.network.text.config
        return {
            "network": self.network.state_dict(),
            "sound": {**asdict(sound), "dims": list(sound.dims)},
            "text": asdict(text),
            "joint_dim": self.network.joint_dim,
            "pieces": list(self.pieces.pieces),
        }
