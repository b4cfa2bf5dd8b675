"""Teaching the encoder: the teacher's targets and our labels, each with its say of the gradient."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch.errors import AudiosearchError
from audiosearch.training.checkpoints import State
from audiosearch.training.distillation.recipe import (
    CLIPS,
    FEATURES,
    LABELS,
    PATCHES,
    DistillationRecipe,
    loss_shares,
)
from audiosearch.training.distillation.student import Student, patch_pooling
from audiosearch.training.distillation.targets import TargetReader, TaughtBatch
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.recipes.encoder import (
    WeightAverage,
    encoder_learning_rate,
    encoder_optimiser,
)
from audiosearch.training.trainer import Trainer, prefetch

Evaluate = Callable[[ConvNext], str]
TEACHER_TAG = "audioset/"
"""Before the names of the teacher's classes among an encoder's tags."""
_LOG_MEMORY = 0.98  # of the losses that the log tells
_SIZE_MEMORY = 0.99  # of the sizes of gradients
_SPIKE = 2.0  # most that one step may be above the running size


class GradientShares:
    """Running sizes of the gradients of named losses, and their weighted sum at the frames.

    A loss that is steep would take the whole gradient, and clipping the sum would leave nothing
    of the others. So each is measured where the encoder ends and brought to its share there; a
    sudden spike of one is cut down by itself.
    """

    def __init__(self) -> None:
        self.sizes: dict[str, float] = {}

    def combine(
        self, frames: Tensor, losses: Mapping[str, Tensor], shares: Mapping[str, float]
    ) -> Tensor:
        """The gradient at `frames` in which each loss has its share.

        Args:
            frames: what all `losses` were computed from.
            losses: scalars; their graphs are kept.
            shares: for each loss the norm that its part has on average; 0 leaves it out.

        Returns:
            A tensor of the shape of `frames`, to go on backwards with.
        """
        total = torch.zeros_like(frames)
        for name, loss in losses.items():
            (gradient,) = torch.autograd.grad(loss, frames, retain_graph=True)
            size = float(gradient.norm())
            known = self.sizes.get(name, size)
            cut = min(size, _SPIKE * known)
            self.sizes[name] = _SIZE_MEMORY * known + (1 - _SIZE_MEMORY) * cut
            if size > 0 and self.sizes[name] > 0:
                total += gradient * (shares[name] * cut / (size * self.sizes[name]))
        return total


class DistillationTrainer(Trainer[Student, TaughtBatch]):
    """One run; its checkpoint `encoder.pt` is that of the encoder alone, both heads in one.

    Args:
        student: as it starts.
        reader: what it learns from.
        tags: of our head; the teacher's classes follow them.
        recipe: how.
        seed: of all randomness.
        folder: of checkpoints.
        evaluate: says how good an encoder is, in a line.
    """

    stage = "encoder"

    def __init__(
        self,
        student: Student,
        reader: TargetReader,
        *,
        tags: tuple[str, ...],
        recipe: DistillationRecipe,
        seed: int,
        folder: Path,
        evaluate: Evaluate,
    ) -> None:
        self.reader = reader
        self.tags = tags
        self.recipe = recipe
        self.evaluate = evaluate
        self.average = WeightAverage(student, decay=recipe.average)
        self.shares = GradientShares()
        self.losses: dict[str, float] = {}
        super().__init__(
            student,
            encoder_optimiser(student, recipe),
            seed=seed,
            folder=folder,
            epochs=math.ceil(recipe.steps / recipe.save_every),
            steps_per_epoch=recipe.save_every,
            clip_norm=None,  # each loss is held to its share by itself
        )

    @property
    def steps(self) -> int:
        """The last epoch may be a short one."""
        return self.recipe.steps

    def batches(self, epoch: int, *, first: int) -> Iterator[TaughtBatch]:
        """Made by a second thread while the student learns from the one before."""
        start = epoch * self.steps_per_epoch
        steps = range(start + first, min(start + self.steps_per_epoch, self.steps))
        return (batch for _, batch in prefetch(steps, self._prepare))

    def learning_rate(self, step: int) -> float:
        """See `encoder_learning_rate`."""
        return encoder_learning_rate(step, self.recipe)

    def loss(self, batch: TaughtBatch, rng: Generator) -> Tensor:
        """What has the combined gradient at the frames, and the plain one in every head."""
        with torch.autocast("cpu", torch.bfloat16):
            frames = self.network.encoder.frames(batch.values).float()
        heard = frames.detach().requires_grad_()
        losses = self._losses(heard, batch.targets)
        for name, loss in losses.items():
            value = float(loss.detach())
            self.losses[name] = (
                _LOG_MEMORY * self.losses.get(name, value) + (1 - _LOG_MEMORY) * value
            )
        gradient = self.shares.combine(heard, losses, loss_shares(self.step, self.recipe))
        return (frames * gradient).sum() + torch.stack(list(losses.values())).sum()

    def after_step(self, step: int) -> None:
        """Take the weights into their average."""
        self.average.update(self.network, step=step)

    def validate(self) -> str:
        """The losses and, every `evaluate_every` steps, what the averaged encoder hears."""
        told = ", ".join(f"{name} {value:.4f}" for name, value in self.losses.items())
        step, every = min(self.step, self.steps), self.recipe.evaluate_every
        if step // every == (step - self.steps_per_epoch) // every and step < self.steps:
            return told
        encoder = ConvNext(self.network.encoder.config)
        encoder.load_state_dict(self._encoder_values())
        return f"{told}; {self.evaluate(encoder.eval())}"

    def finished(self) -> State:
        """The averaged encoder and the names of its tags, ours and then the teacher's."""
        classes = [TEACHER_TAG + name for name in self.reader.pool.facts.classes]
        return {
            "network": self._encoder_values(),
            "tags": [*self.tags, *classes],
            "step": self.steps,
        }

    def state(self) -> State:
        """Average, sizes of gradients and the recipe."""
        return {
            "average": self.average.values,
            "sizes": dict(self.shares.sizes),
            "recipe": json.dumps(asdict(self.recipe)),
        }

    def restore(self, state: State) -> None:
        """Go on averaging.

        Raises:
            AudiosearchError: the checkpoint is of another recipe.
        """
        if state["recipe"] != json.dumps(asdict(self.recipe)):
            raise AudiosearchError(
                f"holds a run by another recipe: {state['recipe']}",
                path=self.folder,
                remedy="choose another folder, or delete its checkpoint",
            )
        self.average.values = state["average"]
        self.shares.sizes = dict(state["sizes"])

    def _prepare(self, step: int) -> TaughtBatch:
        return self.reader.batch(self.recipe.batch, seed=[self.seed, step])

    def _losses(self, frames: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        logits = self.network.encoder.read(frames).logits
        n_tags = self.network.n_tags
        n_patches = targets[PATCHES].shape[1]
        pooling = patch_pooling(n_patches, frames.shape[1], n_samples=self.reader.n_samples)
        classes, features = self.network.patches(frames, pooling)
        judge = functional.binary_cross_entropy_with_logits
        return {
            LABELS: judge(logits[:, :n_tags], targets[LABELS]),
            PATCHES: judge(classes, targets[PATCHES]),
            CLIPS: judge(logits[:, n_tags:], targets[CLIPS]),
            FEATURES: functional.mse_loss(features, targets[FEATURES]),
        }

    def _encoder_values(self) -> dict[str, Tensor]:
        return {
            name.removeprefix("encoder."): value
            for name, value in self.average.values.items()
            if name.startswith("encoder.")
        }
