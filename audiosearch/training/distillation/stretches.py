"""Stretches of sound to be taught on: single clips, mixtures at all levels, small scenes.

Every stretch is drawn from (seed, shard, row) alone. What is heard in it, and how loud against the
rest, is kept with it: labels come later, and so does the choice of what is held out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from audiosearch.training.data import augment
from audiosearch.training.data.dataset import SYNTHETIC_SOURCE, ManifestClip, SoundCache
from audiosearch.training.recipes.encoder import crop
from audiosearch.training.scenes.clip_pool import loud_stretch
from audiosearch.training.synth.instruments import INSTRUMENT_WEIGHT
from audiosearch.training.synth.instruments import SOURCE as INSTRUMENT_SOURCE

Samples = npt.NDArray[np.float32]
MOST_PARTS = 4
NOBODY = -1
"""Stands for no clip in a row of parts."""
_AUDIBLE = 1e-4


@dataclass(frozen=True)
class StretchRecipe:
    """How stretches are drawn; chances are shares of stretches."""

    seconds: float = 5.0
    mixed: float = 0.35
    scenes: float = 0.25
    background: float = 0.4
    """Of scenes: those with a clip under all others."""
    quietest_db: float = -20.0
    """Of what is mixed, against what it is mixed with."""
    room: float = 0.2
    telephone: float = 0.05
    noise: float = 0.25
    source_power: float = 0.75
    """A source is drawn by this power of its number of clips."""
    synthetic_share: float = 0.05


@dataclass(frozen=True)
class Stretches:
    """Some stretches of one length."""

    waveforms: Samples
    """`(B, N)` in about -1..1."""
    parts: npt.NDArray[np.int32]
    """`(B, MOST_PARTS)`: the clips heard in each, `NOBODY` where there are fewer."""
    shares: npt.NDArray[np.float32]
    """`(B, MOST_PARTS)`: each clip's power against all that sounds where it does, in 0..1."""


def drawing_chances(
    clips: Sequence[ManifestClip], chosen: Sequence[int], *, recipe: StretchRecipe
) -> npt.NDArray[np.float64]:
    """How likely each clip `(n_clips,)` is drawn; those that are not `chosen` never are.

    First a source, so that one of many labels does not crowd out the others; in it rarer labels
    more, though not in full.
    """
    by_source = Counter(clips[place].source for place in chosen)
    by_label = Counter((clips[place].source, clips[place].label) for place in chosen)
    chances = np.zeros(len(clips))
    for place in chosen:
        chances[place] = by_label[clips[place].source, clips[place].label] ** -0.5
    masses = _source_masses(by_source, recipe)
    for source, mass in masses.items():
        own = [place for place in chosen if clips[place].source == source]
        chances[own] *= mass / chances[own].sum()
    return np.asarray(chances / chances.sum())


def _source_masses(by_source: Mapping[str, int], recipe: StretchRecipe) -> dict[str, float]:
    masses = {source: count**recipe.source_power for source, count in by_source.items()}
    if INSTRUMENT_SOURCE in masses:
        masses[INSTRUMENT_SOURCE] *= INSTRUMENT_WEIGHT
    recorded = sum(mass for source, mass in masses.items() if source != SYNTHETIC_SOURCE)
    if SYNTHETIC_SOURCE in masses and recorded:
        masses[SYNTHETIC_SOURCE] = recorded * recipe.synthetic_share / (1 - recipe.synthetic_share)
    return masses


def draw_stretches(
    sounds: SoundCache,
    chances: npt.NDArray[np.float64],
    *,
    recipe: StretchRecipe,
    count: int,
    seed: Sequence[int],
) -> Stretches:
    """`count` stretches of what `seed` says.

    Args:
        sounds: where the clips' samples are.
        chances: `(n_clips,)` from `drawing_chances`.
        recipe: how they are drawn.
        count: how many, two at least.
        seed: of all randomness.
    """
    numbers = np.random.default_rng(seed)
    drawn = [_draw_one(sounds, chances, recipe, numbers) for _ in range(count)]
    rng = torch.Generator().manual_seed(int(numbers.integers(2**62)))
    waveforms = torch.from_numpy(np.stack([one.waveform for one in drawn]))
    rate = sounds.sample_rate
    waveforms = augment.room(rng, waveforms, chance=recipe.room, sample_rate=rate)
    waveforms = augment.telephone_line(rng, waveforms, chance=recipe.telephone)
    waveforms = augment.add_noise(rng, waveforms, chance=recipe.noise, low_db=-50.0)
    parts = np.full((count, MOST_PARTS), NOBODY, np.int32)
    shares = np.zeros((count, MOST_PARTS), np.float32)
    for row, one in enumerate(drawn):
        parts[row, : len(one.parts)] = one.parts
        shares[row, : len(one.shares)] = one.shares
    return Stretches(waveforms.numpy(), parts, shares)


@dataclass(frozen=True)
class _Drawn:
    waveform: Samples
    parts: tuple[int, ...]
    shares: tuple[float, ...]


def _draw_one(
    sounds: SoundCache,
    chances: npt.NDArray[np.float64],
    recipe: StretchRecipe,
    rng: np.random.Generator,
) -> _Drawn:
    length = int(recipe.seconds * sounds.sample_rate)
    kind = rng.random()
    if kind < recipe.scenes:
        return _scene(sounds, chances, recipe, rng, length=length)
    n_parts = 2 if kind < recipe.scenes + recipe.mixed else 1
    clips = rng.choice(chances.size, size=n_parts, p=chances)
    heard = [crop(sounds.waveform(clip), length=length, rng=rng) for clip in clips]
    if rng.random() < 0.5:  # what ends comes again at the start
        heard = [np.roll(one, int(rng.integers(length))) for one in heard]
    if n_parts == 1:
        return _Drawn(heard[0], (int(clips[0]),), (1.0,))
    return _mixture(heard, [int(clip) for clip in clips], recipe, rng)


def _mixture(
    heard: list[Samples], clips: list[int], recipe: StretchRecipe, rng: np.random.Generator
) -> _Drawn:
    """Two sounds at once, the second anywhere from as loud as the first to `quietest_db` below."""
    own, other = _level(heard[0]), _level(heard[1])
    if min(own, other) < _AUDIBLE:
        louder = int(other > own)
        return _Drawn(heard[louder], (clips[louder],), (1.0,))
    below = 10 ** (rng.uniform(recipe.quietest_db, 0.0) / 20)
    mixed = heard[0] + heard[1] * np.float32(below * own / other)
    share = 1 / (1 + below**2)
    return _Drawn(mixed, (clips[0], clips[1]), (share, 1 - share))


def _scene(
    sounds: SoundCache,
    chances: npt.NDArray[np.float64],
    recipe: StretchRecipe,
    rng: np.random.Generator,
    *,
    length: int,
) -> _Drawn:
    """Two or three sounds, each where it happens to fall, at times over a background."""
    clips = [int(clip) for clip in rng.choice(chances.size, size=rng.integers(2, 4), p=chances)]
    events = [_event(sounds, clip, length // 2, rng) for clip in clips]
    scene = np.zeros(length, np.float32)
    kept: list[int] = []
    for clip, event in zip(clips, events, strict=True):
        level = _level(event)
        if level < _AUDIBLE:
            continue
        at = int(rng.integers(length - event.size + 1))
        scene[at : at + event.size] += event * np.float32(
            0.05 / level * 10 ** (rng.uniform(-8.0, 4.0) / 20)
        )
        kept.append(clip)
    shares = [1.0] * len(kept)
    if rng.random() < recipe.background:
        clip = int(rng.choice(chances.size, p=chances))
        under = crop(sounds.waveform(clip), length=length, rng=rng)
        if (level := _level(under)) >= _AUDIBLE:
            below = 10 ** (rng.uniform(recipe.quietest_db, 0.0) / 20)
            scene += under * np.float32(0.05 * below / level)
            kept.append(clip)
            shares.append(below**2 / (1 + below**2))
    return _Drawn(scene, tuple(kept), tuple(shares))


def _event(sounds: SoundCache, clip: int, longest: int, rng: np.random.Generator) -> Samples:
    """The loud part of a clip, or as much of it as there is room for."""
    waveform = sounds.waveform(clip)
    first, last = loud_stretch(waveform, rate=sounds.sample_rate)
    event = waveform[first:last]
    if event.size > longest:
        start = int(rng.integers(event.size - longest + 1))
        event = event[start : start + longest]
    return event.copy()


def _level(waveform: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(waveform)))) if waveform.size else 0.0
