"""The first stage: teach the encoder to tag sounds; then it is frozen.

In: the sound cache. Out: a checkpoint with the averaged weights, the tag names and a log. Every
step draws its randomness from (seed, step), so a resumed run ends with the same weights. It does
not know captions.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch._typing import Doubles, Floats
from audiosearch.training.checkpoints import (
    Progress,
    Report,
    WeightAverage,
    load_state,
    save_state,
)
from audiosearch.training.data import augment
from audiosearch.training.data.ahead import made_ahead
from audiosearch.training.data.dataset import SYNTHETIC_SOURCE, SoundCache, Split
from audiosearch.training.data.labels import all_tags, tags_of
from audiosearch.training.networks.convnext import ConvNext, ConvNextConfig, starter_config
from audiosearch.training.networks.frontend import STARTER_FRONTEND, LogMel, decibels
from audiosearch.training.recipes.encoder_recipe import (
    EncoderRecipe,
    encoder_learning_rate,
    encoder_optimiser,
)
from audiosearch.training.synth.instruments import INSTRUMENT_WEIGHT
from audiosearch.training.synth.instruments import SOURCE as INSTRUMENT_SOURCE
from audiosearch.training.tagging import evaluate_tagging


class EncoderTrainer:
    """Networks, optimiser and data of one run; `run` goes from the last checkpoint to the end."""

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
        self.seed = seed
        self.folder = folder
        self.tags = all_tags(clip.label for clip in sounds.clips)
        self.targets = target_matrix(sounds, self.tags)
        self.length = int(recipe.crop_s * sounds.sample_rate)
        self.chances = sampling_chances(sounds, synthetic_share=recipe.synthetic_share)
        self.log_mel = LogMel(STARTER_FRONTEND)
        self.network = ConvNext(size(len(self.tags)))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = WeightAverage(self.network, decay=recipe.average)
        self.optimiser = encoder_optimiser(self.network, recipe)
        self.step = 0

    def run(self, *, report: Report) -> Path:
        """Train to the end and return the path of the finished encoder."""
        unfinished, finished = self.folder / "encoder.partial.pt", self.folder / "encoder.pt"
        if unfinished.exists():
            self._restore(unfinished)
        started, first = time.monotonic(), self.step
        running = math.nan
        for _, prepared in made_ahead(range(first, self.recipe.steps), self._prepare):
            loss = self._train_step(*prepared)
            running = loss if math.isnan(running) else 0.98 * running + 0.02 * loss
            self.step += 1
            if self.step % 50 == 0:
                rate = (self.step - first) * self.recipe.batch / (time.monotonic() - started)
                self._report(report, f"loss {running:.4f}, {rate:.0f} clips/s")
            if self.step % self.recipe.save_every == 0:
                self._save(unfinished)
            if self.step % self.recipe.evaluate_every == 0 or self.step == self.recipe.steps:
                self._report(report, self._evaluate())
        save_state(
            {"network": self.average.values, "tags": list(self.tags), "step": self.step}, finished
        )
        self._report(report, f"wrote {finished}")
        return finished

    def _prepare(self, step: int) -> tuple[Tensor, Tensor]:
        """Augmented decibels `(B, F, mels)` and soft targets `(B, classes)` of one step."""
        rng = step_generator(self.seed, step)
        waveforms, targets = self._batch(rng, step)
        return self._features(waveforms, rng), targets

    def _train_step(self, features: Tensor, targets: Tensor) -> float:
        torch.manual_seed(self.seed * 1_000_003 + self.step)  # drop-path draws from the global one
        for group in self.optimiser.param_groups:
            group["lr"] = encoder_learning_rate(self.step, self.recipe)
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(features).logits
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.network, step=self.step)
        return float(loss.detach())

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

    def _evaluate(self) -> str:
        current = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.values)
        result = evaluate_tagging(self.network, self.sounds, tags=self.tags)
        self.network.load_state_dict(current)
        return result.text()

    def _report(self, report: Report, text: str) -> None:
        report(Progress(stage="encoder", step=self.step, total=self.recipe.steps, text=text))

    def _save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.values,
            "optimiser": self.optimiser.state_dict(),
            "tags": list(self.tags),
            "recipe": json.dumps(asdict(self.recipe)),
            "step": self.step,
        }
        save_state(state, path)

    def _restore(self, path: Path) -> None:
        state = load_state(path)
        self.network.load_state_dict(state["network"])
        self.average.values = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])


def step_generator(seed: int, step: int) -> Generator:
    """The random numbers of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


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
