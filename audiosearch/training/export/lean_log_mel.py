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
        self._constant("cosines", cosines[:: self.parts])
        self._constant("sines", sines[:: self.parts])
        self._constant("mel", filters[: len(bins)])
        if self.parts == 2:
            mirrored = filters.flip(0)[: len(bins)].clone()
            mirrored[-1] = 0  # the middle bin is its own mirror image, and is heard already
            self._constant("folded_cosines", cosines[1::2])
            self._constant("folded_sines", sines[1::2])
            self._constant("folded_mel", mirrored)

    def _constant(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.contiguous(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Decibels `(B, F, mels)` of `(B, N)` samples."""
        frames = self._frames(waveform)
        middle = self.reach // self.parts
        early, late = frames[0][:, :, 1 : middle + 1].flip(2), frames[0][:, :, middle : 2 * middle]
        real, imaginary = (late + early) @ self.cosines, (late - early) @ self.sines
        if self.parts == 1:
            power = (real.square() + imaginary.square()) @ self.mel
        else:
            early, late = frames[1][:, :, :middle].flip(2), frames[1][:, :, middle : 2 * middle]
            odd_real = (late + early) @ self.folded_cosines
            odd_imaginary = (late - early) @ self.folded_sines
            low = (real + odd_real).square() + (imaginary + odd_imaginary).square()
            high = (real - odd_real).square() + (odd_imaginary - imaginary).square()
            power = low @ self.mel + high @ self.folded_mel
        if self.config.average > 1:
            pool = (self.config.average, 1)
            power = functional.avg_pool2d(power.unsqueeze(1), pool).squeeze(1)
        return decibels(power)

    def _frames(self, waveform: Tensor) -> Tensor:
        """Overlapping frames `(parts, B, F, at least a window / parts)`.

        They are put together from blocks of one hop; what is beyond a window counts for nothing.
        """
        hop, window, parts = self.config.hop, self.config.window, self.parts
        edges = (self.reach, self.reach + hop)
        padded = functional.pad(waveform.unsqueeze(1), edges, mode="reflect")
        count = (padded.shape[2] - hop - window) // hop + 1
        blocks_a_frame = math.ceil(window / hop)
        used = padded[:, 0, : (count + blocks_a_frame - 1) * hop]
        apart = used.reshape(used.shape[0], -1, parts).permute(2, 0, 1)
        blocks = apart.reshape(parts, used.shape[0], -1, hop // parts)
        places = torch.arange(count)[:, None] + torch.arange(blocks_a_frame)
        chosen = blocks[:, :, places.to(blocks.device)]
        return chosen.reshape(parts, used.shape[0], -1, blocks_a_frame * (hop // parts))
