"""The first stage: teach the encoder to tag sounds; then it is frozen.

Made of recordings and synthetic sounds, cropped, mixed and degraded anew each step. What is kept is
an average of the weights over the last steps, which tags better than those of any one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from audiosearch._typing import Doubles, Floats
from audiosearch.training.checkpoints import State
from audiosearch.training.data import augment
from audiosearch.training.data.dataset import SYNTHETIC_SOURCE, SoundCache, Split
from audiosearch.training.networks.convnext import ConvNext, ConvNextConfig, starter_config
from audiosearch.training.networks.frontend import STARTER_FRONTEND, LogMel, decibels
from audiosearch.training.synth.instruments import INSTRUMENT_WEIGHT
from audiosearch.training.synth.instruments import SOURCE as INSTRUMENT_SOURCE
from audiosearch.training.tagging import evaluate_tagging
from audiosearch.training.text.labels import all_tags, tags_of
from audiosearch.training.trainer import Trainer, cycle_of, half_cosine, prefetch, step_generator


@dataclass(frozen=True)
class EncoderRecipe:
    """How the encoder is trained."""

    steps: int = 14_000
    restarts: tuple[int, ...] = (2500, 7000)
    """Steps at which the learning rate starts anew (https://arxiv.org/abs/1608.03983)."""
    batch: int = 64
    crop_s: float = 5.0
    learning_rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 0.05
    average: float = 0.998
    mix_chance: float = 0.6
    synthetic_share: float = 0.08
    """The share of a batch that is drawn from made sounds."""
    evaluate_every: int = 500
    save_every: int = 250


STARTER_ENCODER = EncoderRecipe()

PAPER_ENCODER = EncoderRecipe(
    steps=75_000,
    restarts=(),
    batch=32,
    crop_s=10.0,
    learning_rate=1e-3,
    weight_decay=0.0,
    mix_chance=1.0,
)
"""The published schedule; its class-balanced AudioSet sampler and one-cycle rate are not here."""


class EncoderSchedule(Protocol):
    """What of a recipe the rate of a step and the optimiser hang on."""

    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def restarts(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def warm_up(self) -> int: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def weight_decay(self) -> float: ...  # noqa: D102


def encoder_learning_rate(step: int, recipe: EncoderSchedule) -> float:
    """Linear warm-up, then half a cosine down to nothing; the same from each restart on."""
    first, end = cycle_of(step, recipe.restarts, recipe.steps)
    since, length = step - first, end - first
    if since < recipe.warm_up:
        return recipe.learning_rate * (since + 1) / recipe.warm_up
    done = (since - recipe.warm_up) / max(1, length - recipe.warm_up)
    return recipe.learning_rate * half_cosine(done)


def encoder_optimiser(network: nn.Module, recipe: EncoderSchedule) -> torch.optim.AdamW:
    """AdamW; decay on matrices only."""
    decayed = [p for p in network.parameters() if p.ndim >= 2]
    plain = [p for p in network.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
    )


class EncoderTrainer(Trainer[ConvNext, tuple[Tensor, Tensor]]):
    """A batch is augmented decibels `(B, F, mels)` with soft targets `(B, classes)`."""

    stage = "encoder"

    def __init__(
        self,
        sounds: SoundCache,
        *,
        recipe: EncoderRecipe,
        seed: int,
        folder: Path,
        size: Callable[[int], ConvNextConfig] = starter_config,
    ) -> None:
        torch.manual_seed(seed)
        self.sounds = sounds
        self.recipe = recipe
        self.tags = all_tags(clip.label for clip in sounds.clips)
        self.targets = target_matrix(sounds, self.tags)
        self.length = int(recipe.crop_s * sounds.sample_rate)
        self.chances = sampling_chances(sounds, synthetic_share=recipe.synthetic_share)
        self.log_mel = LogMel(STARTER_FRONTEND)
        network = ConvNext(size(len(self.tags)))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = WeightAverage(network, decay=recipe.average)
        super().__init__(
            network,
            encoder_optimiser(network, recipe),
            seed=seed,
            folder=folder,
            epochs=math.ceil(recipe.steps / recipe.save_every),
            steps_per_epoch=recipe.save_every,
            clip_norm=1.0,
        )

    @property
    def steps(self) -> int:
        """The last epoch may be a short one."""
        return self.recipe.steps

    def batches(self, epoch: int, *, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Made by a second thread while the network learns from the one before."""
        start = epoch * self.steps_per_epoch
        steps = range(start + first, min(start + self.steps_per_epoch, self.steps))
        return (prepared for _, prepared in prefetch(steps, self._prepare))

    def learning_rate(self, step: int) -> float:
        """See `encoder_learning_rate`."""
        return encoder_learning_rate(step, self.recipe)

    def loss(self, batch: tuple[Tensor, Tensor], rng: Generator) -> Tensor:
        """Binary cross-entropy of the tags."""
        features, targets = batch
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(features).logits
        return functional.binary_cross_entropy_with_logits(logits.float(), targets)

    def after_step(self, step: int) -> None:
        """Take the weights into their average."""
        self.average.update(self.network, step=step)

    def validate(self) -> str:
        """How the averaged weights tag held-out clips, every `evaluate_every` steps."""
        step, every = min(self.step, self.steps), self.recipe.evaluate_every
        if step // every == (step - self.steps_per_epoch) // every and step < self.steps:
            return ""
        current = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.values)
        result = evaluate_tagging(self.network, self.sounds, tags=self.tags)
        self.network.load_state_dict(current)
        return result.text()

    def finished(self) -> State:
        """The averaged weights and the names of the tags."""
        return {"network": self.average.values, "tags": list(self.tags), "step": self.steps}

    def state(self) -> State:
        """The average so far."""
        return {"average": self.average.values}

    def restore(self, state: State) -> None:
        """Go on averaging."""
        self.average.values = state["average"]

    def _prepare(self, step: int) -> tuple[Tensor, Tensor]:
        rng = step_generator(self.seed, step)
        waveforms, targets = self._batch(rng, step)
        return self._features(waveforms, rng), targets

    def _batch(self, rng: Generator, step: int) -> tuple[Tensor, Tensor]:
        """Waveforms `(B, N)` and soft targets `(B, classes)` of one step."""
        numbers = np.random.default_rng([self.seed, step])
        chosen = numbers.choice(self.chances.size, size=self.recipe.batch, p=self.chances)
        waveforms = torch.stack(
            [
                torch.from_numpy(crop(self.sounds.waveform(i), length=self.length, rng=numbers))
                for i in chosen
            ]
        )
        waveforms = augment.circular_roll(rng, waveforms, chance=0.5)
        mixed = augment.mix_by_power(rng, waveforms, chance=self.recipe.mix_chance)
        share = mixed.share.unsqueeze(1)
        own = self.targets[chosen]
        targets = share * own + (1 - share) * own[mixed.partner]
        echoing = augment.room(rng, mixed.values, chance=0.15, sample_rate=self.sounds.sample_rate)
        coarse = augment.telephone_line(rng, echoing, chance=0.05)
        noisy = augment.add_noise(rng, coarse, chance=0.25, low_db=-50.0)
        return augment.gain(rng, noisy, low_db=-24.0, high_db=6.0), targets

    def _features(self, waveforms: Tensor, rng: Generator) -> Tensor:
        """Augmented decibels `(B, F, mels)`."""
        with torch.no_grad():
            power = augment.tilt(rng, self.log_mel.power(waveforms), limit_db=6.0)
            power = augment.band_limit(rng, power, chance=0.35)
            values = augment.resize_bands(rng, decibels(power), limit=0.12, parts=8)
            return augment.mask_stripes(
                rng,
                values,
                stripes=augment.STARTER_ENCODER_STRIPES,
                fill=values.mean(dim=(1, 2), keepdim=True),
            )


class WeightAverage:
    """An exponential moving average of a network's floating-point state."""

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in network.state_dict().items()
        }

    @torch.no_grad()
    def update(self, network: nn.Module, *, step: int) -> None:
        """Take in the network after optimiser step number `step` (from 0)."""
        # The first steps count less history, or the random start would linger.
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)


def target_matrix(sounds: SoundCache, tags: tuple[str, ...]) -> Tensor:
    """Which tags each clip has, `(n_clips, n_tags)` of 0 and 1."""
    column = {tag: index for index, tag in enumerate(tags)}
    matrix = torch.zeros(len(sounds.clips), len(tags))
    for row, clip in enumerate(sounds.clips):
        for tag in tags_of(clip.label):
            matrix[row, column[tag]] = 1.0
    return matrix


def sampling_chances(sounds: SoundCache, *, synthetic_share: float) -> Doubles:
    """How likely each clip `(n_clips,)` is drawn: rarer tags more, though not in full."""
    counts: dict[str, int] = {}
    training = set(sounds.indices(Split.TRAIN))
    for index in training:
        tag = tags_of(sounds.clips[index].label)[0]
        counts[tag] = counts.get(tag, 0) + 1
    weights = np.zeros(len(sounds.clips))
    made = np.array([clip.source == SYNTHETIC_SOURCE for clip in sounds.clips])
    for index in training:
        weights[index] = counts[tags_of(sounds.clips[index].label)[0]] ** -0.5
        if sounds.clips[index].source == INSTRUMENT_SOURCE:
            weights[index] *= INSTRUMENT_WEIGHT
    recorded_mass, made_mass = weights[~made].sum(), weights[made].sum()
    if made_mass > 0 and recorded_mass > 0:
        weights[made] *= synthetic_share / (1 - synthetic_share) * recorded_mass / made_mass
    return np.asarray(weights / weights.sum())


def crop(waveform: Floats, *, length: int, rng: np.random.Generator) -> Floats:
    """A random stretch `(length,)` of a clip, at times a little faster or slower.

    A clip that is too short stands at a random place in silence, or is repeated with gaps.
    """
    if rng.random() < 0.5:
        rate = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
        needed = min(waveform.size, int(length * rate) + 2)
        start = int(rng.integers(waveform.size - needed + 1))
        part = torch.from_numpy(waveform[start : start + needed])
        waveform = augment.change_speed(part, rate=rate, length=length).numpy()
    if waveform.size >= length:
        start = int(rng.integers(waveform.size - length + 1))
        return waveform[start : start + length]
    out = np.zeros(length, np.float32)
    if rng.random() < 0.5:
        at = int(rng.integers(length - waveform.size + 1))
        out[at : at + waveform.size] = waveform
        return out
    at = 0
    while at < length:
        part_length = min(waveform.size, length - at)
        out[at : at + part_length] = waveform[:part_length]
        at += part_length + int(rng.integers(max(1, length // 4)))
    return out
