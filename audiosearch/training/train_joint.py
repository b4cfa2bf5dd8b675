"""The third stage: one space for sounds and texts, on the frozen encoder's frames.

In: cached frames and descriptions of scenes. Out: a checkpoint of an audio head and a text tower.
The loss is InfoNCE both ways, summed, as in CLAP; pairs whose scenes hold the same sounds in the
same relation are no negatives of each other. Twins stand in the same batch, so order is learnt.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from audiosearch.model.text import Vocabulary
from audiosearch.training import augment
from audiosearch.training.attention import HIDDEN
from audiosearch.training.audio_head import AudioHead, AudioHeadConfig
from audiosearch.training.batches import CaptionedScenes
from audiosearch.training.captions import Description, write_caption
from audiosearch.training.checkpoints import Progress, Report, load_state, save_state
from audiosearch.training.text_tower import TextTower, TextTowerConfig
from audiosearch.training.vocabulary import encode_queries, forget_words


@dataclass(frozen=True)
class JointRecipe:
    """How the joint space is trained."""

    epochs: int = 28
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warm_up: int = 100
    unknown_chance: float = 0.02
    stripes: augment.Stripes = augment.PAPER_DECODER_STRIPES
    first_scale: float = 1 / 0.07
    largest_scale: float = 100.0


STARTER_JOINT = JointRecipe()


class JointSpace(nn.Module):
    """Both towers and the learned scale of their cosines."""

    def __init__(self, head: AudioHeadConfig, tower: TextTowerConfig, *, scale: float) -> None:
        super().__init__()
        self.head = AudioHead(head)
        self.tower = TextTower(tower)
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


class JointTrainer:
    """Networks, optimiser and data of one run; `run` goes from the last checkpoint to the end."""

    def __init__(
        self,
        scenes: CaptionedScenes,
        validation: CaptionedScenes,
        vocabulary: Vocabulary,
        *,
        twins: tuple[int | None, ...],
        recipe: JointRecipe,
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
        feature_dim = scenes.features.values.shape[2]
        self.network = JointSpace(
            AudioHeadConfig(feature_dim=feature_dim),
            TextTowerConfig(vocabulary=len(vocabulary)),
            scale=recipe.first_scale,
        )
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        # A unit is a scene alone or with its twin; units are shuffled whole.
        self.units = [
            (index,) if twin is None else (index, twin)
            for index, twin in enumerate(twins)
            if twin is None or index < twin
        ]
        self.epoch = 0

    def run(self, *, report: Report) -> Path:
        """Train to the end and return the path of the finished towers."""
        unfinished, finished = self.folder / "joint.partial.pt", self.folder / "joint.pt"
        if unfinished.exists():
            self._restore(unfinished)
        while self.epoch < self.recipe.epochs:
            started = time.monotonic()
            loss = self._train_epoch()
            self.epoch += 1
            self._save(unfinished)
            seconds = time.monotonic() - started
            text = f"loss {loss:.4f}; held-out loss {self.validate():.4f}; {seconds:.0f} s"
            self._report(report, text)
        state = {
            "network": self.network.state_dict(),
            "head": json.dumps(asdict(self.network.head.config)),
            "tower": json.dumps(asdict(self.network.tower.config)),
        }
        save_state(state, finished)
        self._report(report, f"wrote {finished}")
        return finished

    def _train_epoch(self) -> float:
        numbers = np.random.default_rng([self.seed, self.epoch, 0x701])
        order = numbers.permutation(len(self.units))
        rows = np.array([scene for unit in order for scene in self.units[unit]])
        steps = math.ceil(len(rows) / self.recipe.batch)
        losses = []
        for number in range(steps):
            chosen = rows[number * self.recipe.batch : (number + 1) * self.recipe.batch]
            if len(chosen) < 2:
                continue  # no negatives
            losses.append(self._train_step(chosen, numbers, self.epoch * steps + number, steps))
        return float(np.mean(losses))

    def _train_step(
        self, rows: npt.NDArray[np.int64], numbers: np.random.Generator, step: int, steps: int
    ) -> float:
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        torch.manual_seed(self.seed * 1_000_003 + step)
        done = step / (steps * self.recipe.epochs)
        rate = self.recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / self.recipe.warm_up)
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = self._loss(self.scenes, rows, numbers, rng)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            self.network.log_scale.clamp_(max=math.log(self.recipe.largest_scale))
        return float(loss.detach())

    def _loss(
        self,
        scenes: CaptionedScenes,
        rows: npt.NDArray[np.int64],
        numbers: np.random.Generator,
        rng: torch.Generator | None,
    ) -> Tensor:
        descriptions = [scenes.descriptions[row] for row in rows]
        ids = encode_queries(
            self.vocabulary, [write_caption(numbers, what) for what in descriptions], limit=60
        )
        values = torch.from_numpy(scenes.features.values[rows].astype(np.float32))
        if rng is not None:
            ids = forget_words(
                numbers,
                ids,
                chance=self.recipe.unknown_chance,
                function_words=self.vocabulary.repeatable,
            )
            values = augment.mask_stripes(
                rng, values, stripes=self.recipe.stripes, fill=torch.zeros(())
            )
        sounds = embed_sounds(self.network.head, values, scenes.features.lengths[rows])
        texts = self.network.tower(torch.from_numpy(ids))
        same = same_content(descriptions)
        return info_nce(sounds.float(), texts.float(), self.network.log_scale.exp(), same)

    @torch.no_grad()
    def validate(self) -> float:
        """The loss on fixed held-out captions."""
        self.network.eval()
        numbers = np.random.default_rng([self.seed, 0x7A2])
        total = len(self.validation.descriptions)
        size = self.recipe.batch
        losses = [
            float(self._loss(self.validation, np.arange(at, min(total, at + size)), numbers, None))
            for at in range(0, total, size)
        ]
        return float(np.mean(losses))

    def _report(self, report: Report, text: str) -> None:
        report(Progress(stage="joint", step=self.epoch, total=self.recipe.epochs, text=text))

    def _save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
        }
        save_state(state, path)

    def _restore(self, path: Path) -> None:
        state = load_state(path)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch = int(state["epoch"])


def embed_sounds(head: AudioHead, values: Tensor, lengths: npt.NDArray[np.int64]) -> Tensor:
    """Joint vectors `(B, J)` of frames `(B, T, dim)`; rows of one length go through together.

    The head takes no lengths, since a running program never pads; so neither does training.
    """
    order: list[int] = []
    parts = []
    for length in sorted(set(lengths.tolist())):
        rows = np.flatnonzero(lengths == length)
        order += rows.tolist()
        parts.append(head(values[torch.from_numpy(rows), :length]))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back]


def same_content(descriptions: list[Description]) -> Tensor:
    """`(B, B)` True where two descriptions could have the same caption."""
    keys = [
        (
            what.relation,
            what.sounds if what.relation != "together" else tuple(sorted(what.sounds)),
            what.background,
            what.count,
        )
        for what in descriptions
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    ids = torch.tensor([numbers[key] for key in keys])
    return ids.unsqueeze(0) == ids.unsqueeze(1)
