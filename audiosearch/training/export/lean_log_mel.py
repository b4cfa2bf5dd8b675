"""Waveform to log-mel decibels in products of matrices: ONNX has no transform that is fast.

A transform of real samples is folded twice, around the middle of its window and between bins k and
n / 2 - k, so that a quarter of the products is left.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.frontend import FrontendConfig, decibels, mel_filterbank

TILE = 16  # columns that a product computes at once


class LeanLogMel(nn.Module):
    """As `frontend.LogMel`: decibels `(B, F, mels)` of `(B, N)` samples.

    N must exceed half a window and a hop.
    """

    cosines: Tensor
    sines: Tensor
    mel: Tensor
    folded_cosines: Tensor
    folded_sines: Tensor
    folded_mel: Tensor

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        if config.window % 2:
            raise ValueError("a window of an odd number of samples has no middle")
        self.config = config
        self.reach = config.window // 2
        # Around the middle cosines are even and sines odd. At even samples those of the bins k and
        # n / 2 - k are alike but for a sign, and at odd ones too: so samples are taken apart.
        self.parts = 1 if config.hop % 2 or self.reach % 2 or config.n_fft % 4 else 2
        bins = torch.arange(config.n_fft // 2 // self.parts + 1, dtype=torch.float64)
        times = torch.arange(self.reach, dtype=torch.float64)  # from the middle on
        hann = torch.hann_window(config.window, periodic=True, dtype=torch.float64)
        taper = hann[self.reach :].clone()
        taper[0] /= 2  # the middle is its own mirror image, and is added to itself
        angle = 2 * math.pi * times[:, None] * bins / config.n_fft
        cosines, sines = ((taper[:, None] * each).float() for each in (angle.cos(), angle.sin()))
        filters = mel_filterbank(config)
        mel, folded_mel = filters[: len(bins)], torch.zeros(len(bins), config.mels)
        if self.parts == 2:
            folded_mel = filters.flip(0)[: len(bins)].clone()
            folded_mel[-1] = 0  # the middle bin is its own mirror image, and is heard already
        heard = (mel.any(dim=1) | folded_mel.any(dim=1)).nonzero().flatten()
        kept = slice(int(heard[0]), int(heard[-1]) + 1)  # no band hears the others
        self.first = int(folded_mel.any(dim=0).int().argmax()) // TILE * TILE  # band of high bins
        self._constant("cosines", cosines[:: self.parts, kept])
        self._constant("sines", sines[:: self.parts, kept])
        self._constant("mel", self._averaging(mel[kept]))
        if self.parts == 2:
            self._constant("folded_cosines", cosines[1::2, kept])
            self._constant("folded_sines", sines[1::2, kept])
            self._constant("folded_mel", self._averaging(folded_mel[kept, self.first :]))

    def _averaging(self, mel: Tensor) -> Tensor:
        """Filters `(bins, bands)` for as many frames, one after the other, as are averaged."""
        return mel.repeat(self.config.average, 1) / self.config.average

    def _constant(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.contiguous(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Decibels `(B, F, mels)` of `(B, N)` samples."""
        halves = self._halves(waveform)
        early, late = halves[0]
        real, imaginary = (late + early) @ self.cosines, (late - early) @ self.sines
        if self.parts == 1:
            power = self._averaged(real.square() + imaginary.square()) @ self.mel
        else:
            early, late = halves[1]
            odd_real = (late + early) @ self.folded_cosines
            odd_imaginary = (late - early) @ self.folded_sines
            low = (real + odd_real).square() + (imaginary + odd_imaginary).square()
            high = (real - odd_real).square() + (odd_imaginary - imaginary).square()
            folded = self._averaged(high) @ self.folded_mel
            power = self._averaged(low) @ self.mel + functional.pad(folded, (self.first, 0))
        return decibels(power.reshape(waveform.shape[0], -1, self.config.mels))

    def _averaged(self, power: Tensor) -> Tensor:
        """Power `(n, bins)` of frames as the filters take it."""
        return power.reshape(-1, self.mel.shape[0])

    def _halves(self, waveform: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each part the halves of all frames, `(B F, reach / parts)` from the middle on.

        Of the samples before a middle, the nearest come first: they are read from the signal
        mirrored at its beginning, which is what frames beyond that edge are to hear, too.
        """
        hop, reach, parts = self.config.hop, self.reach, self.parts
        average = self.config.average
        count = (waveform.shape[1] // hop + 1) // average * average
        last = (count - 1) * hop  # the middle of the last frame
        heard = functional.pad(waveform.unsqueeze(1), (0, reach), mode="reflect")
        mirrored = functional.pad(heard[:, :, : last + reach], (last, 0), mode="reflect")
        block = math.gcd(hop, reach) // parts
        apart = mirrored.reshape(waveform.shape[0], -1, parts).transpose(1, 2)
        blocks = apart.reshape(waveform.shape[0], -1, block)
        steps = torch.arange(count, device=waveform.device)[:, None] * (hop // parts // block)
        within = torch.arange(reach // parts // block, device=waveform.device)
        first = within + (count - 1) * (hop // parts // block)
        before, after = first - steps, first + steps
        halves = []
        for part in range(parts):
            begin = part * (2 * last + reach) // parts // block
            early, late = blocks[:, before + begin], blocks[:, after + begin]
            halves.append((early.reshape(-1, reach // parts), late.reshape(-1, reach // parts)))
        return halves
