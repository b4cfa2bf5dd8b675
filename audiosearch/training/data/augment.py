"""Ways to change a sound, its spectrogram, its features or its words without changing the truth.

All randomness comes from the generator given. Waveforms are `(B, N)`, mel power is `(B, F, M)`,
features are `(B, T, D)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Stripes:
    """SpecAugment (https://arxiv.org/abs/1904.08779): how many stripes, each how wide at most.

    Widths are drawn uniformly from 0 to the limit, the limit itself excluded.
    """

    time_count: int
    time_limit: int
    feature_count: int
    feature_limit: int


PAPER_ENCODER_STRIPES = Stripes(time_count=2, time_limit=64, feature_count=2, feature_limit=28)
PAPER_DECODER_STRIPES = Stripes(time_count=6, time_limit=4, feature_count=2, feature_limit=2)
# The published stripes were made for 93 frames; the bundled encoder gives 31 in ten seconds.
STARTER_DECODER_STRIPES = Stripes(time_count=2, time_limit=3, feature_count=2, feature_limit=12)
STARTER_ENCODER_STRIPES = Stripes(time_count=2, time_limit=40, feature_count=2, feature_limit=10)


@dataclass(frozen=True)
class Mixed:
    """Sounds mixed with partners from the same batch."""

    values: Tensor
    partner: Tensor
    """`(B,)`: the index each row was mixed with (its own where it was left alone)."""
    share: Tensor
    """`(B,)`: the share of the row's own power in the mixture, 1 where it was left alone."""


def uniform(rng: Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Random numbers in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=rng)


def derangement(rng: Generator, size: int) -> Tensor:
    """A random permutation `(size,)` without fixed points.

    Raises:
        ValueError: Fewer than two items have none.
    """
    if size < 2:
        raise ValueError("a permutation without fixed points needs at least two items")
    # A random cycle: every item goes to the next of a shuffled ring.
    ring = torch.randperm(size, generator=rng)
    result = torch.empty(size, dtype=torch.long)
    result[ring] = ring.roll(1)
    return result


def mix_by_power(rng: Generator, waveforms: Tensor, *, chance: float) -> Mixed:
    """Between-class mixing (https://arxiv.org/abs/1711.10282), by shares of power.

    Both sounds are brought to the same power first, so that the share says what is heard; a row
    or a partner that is silent is left unmixed. The result has the row's own level.
    """
    size = waveforms.shape[0]
    if size < 2:
        return Mixed(waveforms, torch.zeros(size, dtype=torch.long), torch.ones(size))
    partner = derangement(rng, size)
    share = uniform(rng, (size,), 0.0, 1.0)
    chosen = torch.rand(size, generator=rng) < chance
    level = waveforms.square().mean(dim=1).sqrt()
    audible = (level > 1e-4) & (level[partner] > 1e-4)
    mixed = chosen & audible
    share = torch.where(mixed, share, torch.ones(size))
    partner = torch.where(mixed, partner, torch.arange(size))
    scale = level / level[partner].clamp(min=1e-4)
    own = share.sqrt().unsqueeze(1) * waveforms
    other = ((1 - share).sqrt() * scale).unsqueeze(1) * waveforms[partner]
    return Mixed(torch.where(mixed.unsqueeze(1), own + other, waveforms), partner, share)


def circular_roll(rng: Generator, waveforms: Tensor, *, chance: float) -> Tensor:
    """Turn each row round by a random offset: what ends comes again at the start."""
    rows = []
    for row in waveforms:
        shift = int(torch.randint(row.shape[0], (1,), generator=rng))
        roll = torch.rand(1, generator=rng).item() < chance
        rows.append(row.roll(shift) if roll else row)
    return torch.stack(rows)


def change_speed(waveform: Tensor, *, rate: float, length: int) -> Tensor:
    """`length` samples of a sound `(N,)` played `rate` times as fast (its pitch follows)."""
    positions = torch.arange(length, dtype=torch.float32) * rate
    positions = positions[positions <= waveform.shape[0] - 1]
    low = positions.long()
    high = (low + 1).clamp(max=waveform.shape[0] - 1)
    return torch.lerp(waveform[low], waveform[high], positions - low)


def gain(rng: Generator, waveforms: Tensor, *, low_db: float, high_db: float) -> Tensor:
    """Each row louder or softer by a random number of decibels."""
    change_db = uniform(rng, (waveforms.shape[0], 1), low_db, high_db)
    return waveforms * 10 ** (change_db / 20)


def add_noise(rng: Generator, waveforms: Tensor, *, chance: float, low_db: float) -> Tensor:
    """White noise under some rows, from `low_db` below the row's level up to 15 dB below."""
    size = waveforms.shape[0]
    chosen = (torch.rand(size, generator=rng) < chance).nonzero().flatten()
    if chosen.numel() == 0:
        return waveforms
    level = waveforms[chosen].square().mean(dim=1, keepdim=True).sqrt()
    below_db = uniform(rng, (chosen.numel(), 1), low_db, -15.0)
    noise = torch.randn(waveforms[chosen].shape, generator=rng) * level * 10 ** (below_db / 20)
    result = waveforms.clone()
    result[chosen] += noise
    return result


def room(rng: Generator, waveforms: Tensor, *, chance: float, sample_rate: int) -> Tensor:
    """Put some rows into a room: noise that dies away in 0.1 to 1.2 s stands for its echo."""
    chosen = (torch.rand(waveforms.shape[0], generator=rng) < chance).nonzero().flatten()
    if chosen.numel() == 0:
        return waveforms
    length = waveforms.shape[1]
    count = min(length, sample_rate)
    seconds = torch.arange(count) / sample_rate
    decay_s = uniform(rng, (chosen.numel(), 1), 0.1, 1.2)
    echo = torch.randn((chosen.numel(), count), generator=rng) * torch.pow(
        10.0, -3 * seconds / decay_s
    )
    echo /= echo.square().sum(dim=1, keepdim=True).sqrt()
    size = length + count
    spectrum = torch.fft.rfft(waveforms[chosen], size) * torch.fft.rfft(echo, size)
    wet = torch.fft.irfft(spectrum, size)[:, :length]
    share = uniform(rng, (chosen.numel(), 1), 0.1, 0.7)
    result = waveforms.clone()
    result[chosen] = (1 - share).sqrt() * waveforms[chosen] + share.sqrt() * wet
    return result


def telephone_line(rng: Generator, waveforms: Tensor, *, chance: float) -> Tensor:
    """Some rows in eight bits by the mu-law of telephony (ITU-T G.711): coarse, with its noise."""
    chosen = (torch.rand(waveforms.shape[0], generator=rng) < chance).nonzero().flatten()
    rows = waveforms[chosen]
    peak = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-6)
    squeezed = torch.log1p(255 * rows.abs() / peak) / math.log(256)
    levels = torch.round(squeezed * 127) / 127
    result = waveforms.clone()
    result[chosen] = rows.sign() * torch.expm1(levels * math.log(256)) / 255 * peak
    return result


def tilt(rng: Generator, power: Tensor, *, limit_db: float) -> Tensor:
    """A random slope over the mel bands, up to `limit_db` from middle to edge."""
    bands = torch.linspace(-1, 1, power.shape[2])
    slope_db = uniform(rng, (power.shape[0], 1, 1), -limit_db, limit_db)
    return power * torch.pow(10.0, slope_db * bands / 10)


def band_limit(rng: Generator, power: Tensor, *, chance: float) -> Tensor:
    """Take away the top (sometimes the bottom) bands, so that bandwidth is not a label.

    The cut bands keep a floor 50 to 90 dB down, with an edge a few bands wide.
    """
    size, _, bands = power.shape
    index = torch.arange(bands, dtype=torch.float32)
    top = uniform(rng, (size, 1), 0.55 * bands, 1.0 * bands)
    bottom = uniform(rng, (size, 1), 0.0, 0.25 * bands)
    top_on = torch.rand((size, 1), generator=rng) < chance
    bottom_on = torch.rand((size, 1), generator=rng) < chance / 3
    floor_db = uniform(rng, (size, 1), -90.0, -50.0)
    above = ((index - top) / 2).clamp(0, 1) * top_on
    below = ((bottom - index) / 2).clamp(0, 1) * bottom_on
    return power * torch.pow(10.0, (above + below).clamp(max=1) * floor_db / 10).unsqueeze(1)


def resize_bands(rng: Generator, decibels: Tensor, *, limit: float, parts: int) -> Tensor:
    """Stretch or shrink the mel axis by up to `limit`; the batch is cut into `parts` factors."""
    size, frames, bands = decibels.shape
    resized = []
    for chunk in decibels.chunk(parts):
        factor = float(uniform(rng, (1,), 1 - limit, 1 + limit))
        target = max(2, round(bands * factor))
        wide = functional.interpolate(
            chunk.reshape(-1, 1, bands), size=target, mode="linear", align_corners=False
        )
        if target >= bands:
            wide = wide[..., :bands]
        else:
            wide = functional.pad(wide, (0, bands - target), mode="replicate")
        resized.append(wide.reshape(chunk.shape[0], frames, bands))
    assert sum(part.shape[0] for part in resized) == size
    return torch.cat(resized)


def mask_stripes(rng: Generator, values: Tensor, *, stripes: Stripes, fill: Tensor) -> Tensor:
    """SpecAugment on `(B, T, D)`: stripes of time and of features set to `fill` (broadcast).

    Each row has its own stripes; a stripe is never as wide as the axis.
    """
    size, length, width = values.shape
    hidden = torch.zeros(size, length, width, dtype=torch.bool)
    for _ in range(stripes.time_count):
        hidden |= _stripe(rng, size, length, stripes.time_limit).unsqueeze(2)
    for _ in range(stripes.feature_count):
        hidden |= _stripe(rng, size, width, stripes.feature_limit).unsqueeze(1)
    return torch.where(hidden, fill, values)


def _stripe(rng: Generator, size: int, axis: int, limit: int) -> Tensor:
    """One stripe a row as a mask `(size, axis)`: width in [0, min(limit, axis))."""
    bound = min(limit, axis)
    width = torch.randint(bound, (size, 1), generator=rng)
    start = (torch.rand((size, 1), generator=rng) * (axis - width)).long()
    index = torch.arange(axis)
    return (index >= start) & (index < start + width)


def mixup_share(rng: Generator, *, alpha: float) -> float:
    """The share of a row's own features: Beta(alpha, alpha), never less than a half."""
    # Two gamma draws make a beta draw; torch's own samplers take no generator.
    seed = int(torch.randint(2**31 - 1, (1,), generator=rng))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        share = float(torch.distributions.Beta(alpha, alpha).sample())
    return max(share, 1 - share)
