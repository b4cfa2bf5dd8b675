"""A head of our tags and the teacher's classes for an encoder that stays as it is.

What was built on the encoder's frames, the captioner above all, keeps its worth; the head alone
learns, in minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch._typing import Ints
from audiosearch.training.checkpoints import Report, TrainingProgress, save_state
from audiosearch.training.distillation.recipe import CLIPS, LABELS
from audiosearch.training.distillation.targets import TargetReader
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.trainer import half_cosine

ENCODE_BATCH = 64
REPORT_EVERY = 100  # batches


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is fitted."""

    passes: int = 2
    """Over the pool, each with other levels, colours and stripes."""
    steps: int = 6000
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.01


def fit_head(
    encoder: ConvNext,
    reader: TargetReader,
    *,
    names: tuple[str, ...],
    recipe: HeadRecipe,
    seed: int,
    path: Path,
    report: Report,
) -> Path:
    """Fit a head to a frozen encoder, and write both as one checkpoint.

    Args:
        encoder: in evaluation mode; only its embeddings are used.
        reader: rows of a pool with what is to be learned of them.
        names: of the outputs: our tags, in the reader's order, then the teacher's classes.
        recipe: how.
        seed: of all randomness.
        path: of the checkpoint.
        report: told of progress.
    """
    rows = np.tile(reader.rows, recipe.passes)
    embeddings = _embeddings(encoder, reader, rows, seed=seed, report=report)
    torch.manual_seed(seed)
    head = nn.Linear(embeddings.shape[1], len(names))
    nn.init.constant_(head.bias, encoder.config.head_bias)
    loss = _fit(head, embeddings, reader, rows, recipe=recipe, seed=seed)
    report(TrainingProgress("head", recipe.steps, recipe.steps, f"loss {loss:.4f}"))
    network = encoder.state_dict() | {
        "head_audioset.weight": head.weight.detach(),
        "head_audioset.bias": head.bias.detach(),
    }
    save_state({"network": network, "tags": list(names), "step": recipe.steps}, path)
    return path


@torch.no_grad()
def _embeddings(
    encoder: ConvNext, reader: TargetReader, rows: Ints, *, seed: int, report: Report
) -> Tensor:
    """`(n, width)` of rows of the pool, each varied anew."""
    found = []
    for at in range(0, rows.size, ENCODE_BATCH):
        values = reader.varied_bands(rows[at : at + ENCODE_BATCH], seed=[seed, at])
        with torch.autocast("cpu", torch.bfloat16):
            found.append(encoder(values).embedding.float())
        if len(found) % REPORT_EVERY == 0:
            report(TrainingProgress("head", at, rows.size, "encoding stretches"))
    return torch.cat(found)


def _fit(
    head: nn.Linear,
    embeddings: Tensor,
    reader: TargetReader,
    rows: Ints,
    *,
    recipe: HeadRecipe,
    seed: int,
) -> float:
    optimiser = torch.optim.AdamW(head.parameters(), weight_decay=recipe.weight_decay)
    rng = np.random.default_rng(seed)
    running = math.nan
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * half_cosine(step / recipe.steps)
        chosen = rng.integers(rows.size, size=recipe.batch)
        targets = reader.targets(rows[chosen], of=(LABELS, CLIPS))
        logits = head(embeddings[torch.from_numpy(chosen)])
        n_tags = targets[LABELS].shape[1]
        judge = functional.binary_cross_entropy_with_logits
        loss = judge(logits[:, :n_tags], targets[LABELS]) + judge(
            logits[:, n_tags:], targets[CLIPS]
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        value = float(loss.detach())
        running = value if math.isnan(running) else 0.98 * running + 0.02 * value
    return running
