"""Waveform to log-mel decibels by the FFT; exported graphs have `export.lean_log_mel`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

FLOOR_POWER = 1e-10  # digital silence is exactly -100 dB


@dataclass(frozen=True)
class FrontendConfig:
    """Sizes of a log-mel front-end; times in samples, frequencies in Hz."""

    sample_rate: int
    n_fft: int
    window: int
    hop: int
    mels: int
    low_hz: float
    high_hz: float
    average: int = 1
    """How many neighbouring power frames are averaged into one."""
    htk: bool = False
    """HTK's mel scale and filters of height 1, in place of Slaney's scale and filters of area 1."""


PAPER_FRONTEND = FrontendConfig(
    sample_rate=32_000, n_fft=1024, window=1024, hop=320, mels=224, low_hz=50.0, high_hz=14_000.0
)
STARTER_FRONTEND = FrontendConfig(
    sample_rate=16_000,
    n_fft=512,
    window=400,
    hop=160,
    mels=64,
    low_hz=50.0,
    high_hz=8_000.0,
    average=2,
)


def hz_to_mel(hz: Tensor) -> Tensor:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    linear = hz * 3 / 200
    step = math.log(6.4) / 27
    return torch.where(hz < 1000, linear, 15 + torch.log(hz.clamp(min=1e-9) / 1000) / step)


def mel_to_hz(mel: Tensor) -> Tensor:
    """The inverse of `hz_to_mel`."""
    step = math.log(6.4) / 27
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * step))


def hz_to_htk(hz: Tensor) -> Tensor:
    """HTK's mel scale, logarithmic throughout."""
    return 2595 * torch.log10(1 + hz / 700)


def htk_to_hz(mel: Tensor) -> Tensor:
    """The inverse of `hz_to_htk`."""
    return 700 * (10 ** (mel / 2595) - 1)


def mel_filterbank(config: FrontendConfig) -> Tensor:
    """Triangular filters `(n_fft // 2 + 1, mels)`, each of unit area (Slaney), or of height 1."""
    bins = torch.linspace(0, config.sample_rate / 2, config.n_fft // 2 + 1, dtype=torch.float64)
    to_mel, to_hz = (hz_to_htk, htk_to_hz) if config.htk else (hz_to_mel, mel_to_hz)
    low, high = to_mel(torch.tensor([config.low_hz, config.high_hz], dtype=torch.float64))
    steps = torch.arange(config.mels + 2, dtype=torch.float64) / (config.mels + 1)
    edges = to_hz(low + (high - low) * steps)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - left) / (centre - left)
    falling = (right - bins[:, None]) / (right - centre)
    triangles = torch.minimum(rising, falling).clamp(min=0)
    if config.htk:
        return triangles.float()
    return (triangles * (2 / (right - left))).float()


def decibels(power: Tensor) -> Tensor:
    """10 log10 of power, floored at -100 dB."""
    return 10 * torch.log10(power.clamp(min=FLOOR_POWER))


class LogMel(nn.Module):
    """Mel power and its decibels: centred frames, reflected edges, periodic Hann window."""

    mel: Tensor
    window: Tensor

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        self.config = config
        window = torch.hann_window(config.window, periodic=True, dtype=torch.float64)
        # Made from the config, so never part of a checkpoint.
        self.register_buffer("mel", mel_filterbank(config), persistent=False)
        self.register_buffer("window", window.float(), persistent=False)

    def power(self, waveform: Tensor) -> Tensor:
        """Mel power `(B, F, mels)` of `(B, N)` samples; N must exceed half a transform."""
        mel = self._fft(waveform) @ self.mel
        if self.config.average == 1:
            return mel
        return functional.avg_pool2d(mel.unsqueeze(1), (self.config.average, 1)).squeeze(1)

    def forward(self, waveform: Tensor) -> Tensor:
        """Decibels `(B, F, mels)` of `(B, N)` samples."""
        return decibels(self.power(waveform))

    def _fft(self, waveform: Tensor) -> Tensor:
        # A few at a time stay in the processor's cache: three times faster for a large batch.
        return torch.cat([self._transformed(part) for part in torch.split(waveform, 4)])

    def _transformed(self, waveform: Tensor) -> Tensor:
        spectrum = torch.stft(
            waveform,
            self.config.n_fft,
            hop_length=self.config.hop,
            win_length=self.config.window,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)
