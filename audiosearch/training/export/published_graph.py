"""The published encoder in the form that runs fastest, exported in place of the trained form.

The same numbers in fewer and cheaper operations; for evaluation only. `check_lean_form` compares.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.errors import AudiosearchError
from audiosearch.training.export.lean_log_mel import LeanLogMel
from audiosearch.training.networks.convnext import NORM_EPS, Block, ConvNext, EncoderOutput
from audiosearch.training.networks.frontend import FrontendConfig, LogMel

TOLERANCE = 1e-4  # of 1, or of the largest value


def inference_form(frontend: FrontendConfig, encoder: ConvNext) -> tuple[nn.Module, nn.Module]:
    """Front-end and encoder as they are exported: lean where they are of the published kind."""
    config = encoder.config
    published = (config.norm, config.activation, config.stem) == ("layer", "gelu", "patch")
    return LeanLogMel(frontend), LeanConvNext(encoder) if published else encoder


def check_lean_form(frontend: FrontendConfig, encoder: ConvNext, *, path: Path) -> None:
    """Compare frames and logits of both forms on noise.

    Raises:
        AudiosearchError: they differ by more than float32 explains; `path` is named in it.
    """
    log_mel, lean = inference_form(frontend, encoder)
    noise = 0.1 * torch.randn(2, frontend.sample_rate, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = encoder.eval()(LogMel(frontend)(noise))
        found = lean.eval()(log_mel(noise))
    for name, ours, theirs in zip(EncoderOutput._fields, found, expected, strict=True):
        difference = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1.0))
        if not difference <= TOLERANCE:
            raise AudiosearchError(
                f"its {name} change by {difference:.2g} when it is rewritten for speed", path=path
            )


class LeanBlock(nn.Module):
    """As `convnext.Block` in evaluation, for channels-last maps `(B, H, W, C)`.

    Norms, linear layers and sums need no transposes so. The two linear layers are plain products,
    the scale of the block multiplied into the second.

    The first has no bias, which would be a pass over the widest array of the block. A normed row
    sums to zero, so that its product with a matrix stays the same when all rows of that have one
    more row added; raised by one it sums to C, and C times the added row is the bias.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.dwconv = block.dwconv
        weight, offset = block.norm.weight, block.norm.bias
        assert isinstance(weight, Tensor)
        assert isinstance(offset, Tensor)
        matrix = block.pwconv1.weight.detach().double().T
        bias = block.pwconv1.bias.detach().double() + offset.detach().double() @ matrix
        matrix = weight.detach().double()[:, None] * matrix
        wide = matrix + (bias - matrix.sum(dim=0)) / len(matrix)
        self.unit = nn.Parameter(torch.ones_like(weight))
        self.wide = nn.Parameter(wide.float().contiguous())
        scale = block.gamma.detach()
        self.narrow = nn.Parameter((block.pwconv2.weight.detach() * scale[:, None]).T.contiguous())
        self.narrow_bias = nn.Parameter(block.pwconv2.bias.detach() * scale)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, H, W, C)` to the same shape."""
        y = self.dwconv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        raised = functional.layer_norm(y, self.unit.shape, self.unit, self.unit, eps=NORM_EPS)
        flat = functional.gelu(raised.reshape(-1, self.wide.shape[0]) @ self.wide)
        flat = torch.addmm(self.narrow_bias, flat, self.narrow)
        result: Tensor = x + flat.reshape(-1, x.shape[1], x.shape[2], self.narrow.shape[1])
        return result


class LeanConvNext(nn.Module):
    """As `convnext.ConvNext` in evaluation: decibels `(B, F, mels)` to what is heard."""

    def __init__(self, encoder: ConvNext) -> None:
        super().__init__()
        bands = encoder.bn0
        mean, variance = bands.running_mean, bands.running_var
        assert mean is not None
        assert variance is not None
        scale = bands.weight.detach() / (variance + bands.eps).sqrt()
        self.scale = nn.Parameter(scale)
        self.shift = nn.Parameter(bands.bias.detach() - mean * scale)
        self.downsample_layers = encoder.downsample_layers
        self.stages = nn.ModuleList(
            nn.Sequential(*(LeanBlock(block) for block in stage if isinstance(block, Block)))
            for stage in encoder.stages
            if isinstance(stage, nn.Sequential)
        )
        self.norm, self.head_audioset = encoder.norm, encoder.head_audioset

    def forward(self, decibels: Tensor) -> EncoderOutput:
        """Encode `(B, F, mels)` decibels."""
        x = (decibels * self.scale + self.shift).unsqueeze(1)  # (B, 1, F, mels)
        for place, (downsample, stage) in enumerate(
            zip(self.downsample_layers, self.stages, strict=True)
        ):
            assert isinstance(downsample, nn.Sequential)
            if place == 0:
                convolution, norm = downsample
                x = _norm(convolution(x).permute(0, 2, 3, 1), norm)  # (B, H, W, C) from here on
            else:
                norm, convolution = downsample
                x = convolution(_norm(x, norm).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            x = stage(x)
        frames = x.mean(dim=2)  # (B, T, C)
        embedding = self.norm(frames.amax(dim=1) + frames.mean(dim=1))
        return EncoderOutput(
            frames=frames, embedding=embedding, logits=self.head_audioset(embedding)
        )


def _norm(x: Tensor, norm: nn.Module) -> Tensor:
    """The layer norm `norm` over the last axis."""
    weight, bias = norm.weight, norm.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    return functional.layer_norm(x, weight.shape, weight, bias, eps=NORM_EPS)
