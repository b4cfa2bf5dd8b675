"""Teaching the encoder: the teacher's targets and our labels, each with its say of the gradient.

Every step draws its randomness from (seed, step), so a resumed run ends with the same weights.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from audiosearch.errors import AudiosearchError
from audiosearch.training.checkpoints import (
    Progress,
    Report,
    WeightAverage,
    load_state,
    save_state,
)
from audiosearch.training.data.ahead import made_ahead
from audiosearch.training.distillation.balance import GradientShares
from audiosearch.training.distillation.recipe import (
    CLIPS,
    FEATURES,
    LABELS,
    PATCHES,
    DistillationRecipe,
    learning_rate,
    loss_shares,
)
from audiosearch.training.distillation.student import Student, patch_pooling
from audiosearch.training.distillation.targets import TargetReader, TaughtBatch
from audiosearch.training.networks.convnext import ConvNext

Evaluate = Callable[[ConvNext], str]
TEACHER_TAG = "audioset/"
"""Before the names of the teacher's classes among an encoder's tags."""


class DistillationTrainer:
    """One run; `run` goes from the last checkpoint to the end.

    Args:
        student: as it starts.
        reader: what it learns from.
        tags: of our head; the teacher's classes follow them.
        recipe: how.
        seed: of all randomness.
        folder: of checkpoints.
        evaluate: says how good an encoder is, in a line.
    """

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
        self.student = student
        self.reader = reader
        self.tags = tags
        self.recipe = recipe
        self.seed = seed
        self.folder = folder
        self.evaluate = evaluate
        self.average = WeightAverage(student, decay=recipe.average)
        self.optimiser = _optimiser(student, recipe)
        self.shares = GradientShares()
        self.step = 0

    def run(self, *, report: Report) -> Path:
        """Train to the end and return the path of the finished encoder.

        Raises:
            AudiosearchError: the folder holds a run by another recipe.
        """
        unfinished, finished = self.folder / "encoder.partial.pt", self.folder / "encoder.pt"
        if unfinished.exists():
            self._restore(unfinished)
        started, first = time.monotonic(), self.step
        running: dict[str, float] = {}
        for _, batch in made_ahead(range(first, self.recipe.steps), self._prepare):
            for name, loss in self._train_step(batch).items():
                running[name] = 0.98 * running.get(name, loss) + 0.02 * loss
            self.step += 1
            if self.step % 50 == 0:
                rate = (self.step - first) * self.recipe.batch / (time.monotonic() - started)
                losses = ", ".join(f"{name} {value:.4f}" for name, value in running.items())
                self._report(report, f"{losses}; {rate:.0f} stretches/s")
            if self.step % self.recipe.save_every == 0:
                self._save(unfinished)
            if self.step % self.recipe.evaluate_every == 0 or self.step == self.recipe.steps:
                self._report(report, self.evaluate(self._averaged()))
        self._write(finished)
        self._report(report, f"wrote {finished}")
        return finished

    def _prepare(self, step: int) -> TaughtBatch:
        return self.reader.batch(self.recipe.batch, seed=[self.seed, step])

    def _train_step(self, batch: TaughtBatch) -> dict[str, float]:
        torch.manual_seed(self.seed * 1_000_003 + self.step)  # drop-path draws from the global one
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.recipe)
        self.student.train()
        self.optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            frames = self.student.encoder.frames(batch.values)
        heard = frames.detach().float().requires_grad_()
        losses = self._losses(heard, batch.targets)
        gradient = self.shares.combine(heard, losses, loss_shares(self.step, self.recipe))
        frames.backward(gradient.to(frames.dtype))  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.average.update(self.student, step=self.step)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _losses(self, frames: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        logits = self.student.encoder.read(frames).logits
        n_tags = self.student.n_tags
        pooling = patch_pooling(
            targets[PATCHES].shape[1], frames.shape[1], n_samples=self._stretch_samples
        )
        classes, features = self.student.patches(frames, pooling)
        judge = functional.binary_cross_entropy_with_logits
        return {
            LABELS: judge(logits[:, :n_tags], targets[LABELS]),
            PATCHES: judge(classes, targets[PATCHES]),
            CLIPS: judge(logits[:, n_tags:], targets[CLIPS]),
            FEATURES: functional.mse_loss(features, targets[FEATURES]),
        }

    @property
    def _stretch_samples(self) -> int:
        return int(self.reader.pool.facts.recipe.seconds * 16_000)

    def _averaged(self) -> ConvNext:
        """The encoder with its averaged weights, by itself."""
        encoder = ConvNext(self.student.encoder.config)
        encoder.load_state_dict(self._encoder_values())
        return encoder.eval()

    def _encoder_values(self) -> dict[str, Tensor]:
        return {
            name.removeprefix("encoder."): value
            for name, value in self.average.values.items()
            if name.startswith("encoder.")
        }

    def _write(self, path: Path) -> None:
        classes = [TEACHER_TAG + name for name in self.reader.pool.facts.classes]
        state = {
            "network": self._encoder_values(),
            "tags": [*self.tags, *classes],
            "step": self.step,
        }
        save_state(state, path)

    def _report(self, report: Report, text: str) -> None:
        report(Progress(stage="distil", step=self.step, total=self.recipe.steps, text=text))

    def _save(self, path: Path) -> None:
        state = {
            "student": self.student.state_dict(),
            "average": self.average.values,
            "optimiser": self.optimiser.state_dict(),
            "sizes": dict(self.shares.sizes),
            "recipe": json.dumps(asdict(self.recipe)),
            "step": self.step,
        }
        save_state(state, path)

    def _restore(self, path: Path) -> None:
        state = load_state(path)
        if state["recipe"] != json.dumps(asdict(self.recipe)):
            raise AudiosearchError(
                f"holds a run by another recipe: {state['recipe']}",
                path=path,
                remedy="choose another folder, or delete this file",
            )
        self.student.load_state_dict(state["student"])
        self.average.values = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.shares.sizes = dict(state["sizes"])
        self.step = int(state["step"])


def _optimiser(student: Student, recipe: DistillationRecipe) -> torch.optim.AdamW:
    """AdamW; decay on matrices only."""
    matrices = [p for p in student.parameters() if p.ndim >= 2]
    others = [p for p in student.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
    )
