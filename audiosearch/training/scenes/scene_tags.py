"""Tags of whole sounds and of their parts, from the encoder's frames.

In: an encoder and frames `(B, T, feature_dim)`. Out: logits `(B, 2 C)`: of each tag for the whole,
as the encoder itself gives them, then for the three-second part where it is likeliest. A short
event in a long window is heard in its part. It is the same head on other stretches of frames, so
nothing is learned that could be learned by heart.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from audiosearch._typing import Floats
from audiosearch.training.data.features import SceneFeatures
from audiosearch.training.networks.convnext import ConvNext

PART_FRAMES = 10  # of a third of a second each; parts overlap by half
BLOCK = 256  # scenes at a time


def tag_evidence(encoder: ConvNext, frames: Tensor) -> Tensor:
    """Logits `(B, 2 C)` for the whole and for the likeliest part of frames `(B, T, dim)`."""
    layer = nn.Sequential(encoder.norm, encoder.head_audioset)
    return read_tags(layer, *pooled_frames(frames))


def read_tags(layer: nn.Module, whole: Tensor, parts: Tensor) -> Tensor:
    """Logits `(B, 2 C)` that a layer gives of what `pooled_frames` gives."""
    return torch.cat([layer(whole), layer(parts).amax(dim=1)], dim=1)


def pooled_frames(frames: Tensor) -> tuple[Tensor, Tensor]:
    """What the tags are read from, `(B, dim)` of the whole and `(B, P, dim)` of all parts."""
    over_time = frames.transpose(1, 2)
    size, step, edge = PART_FRAMES, PART_FRAMES // 2, PART_FRAMES // 2
    loudest = functional.max_pool1d(over_time, size, step, padding=edge)
    mean = functional.avg_pool1d(over_time, size, step, padding=edge, count_include_pad=False)
    return frames.amax(dim=1) + frames.mean(dim=1), (loudest + mean).transpose(1, 2)


def unsure(rng: Generator, logits: Tensor, *, spread: float) -> Tensor:
    """Logits `(B, 2 C)` as of recordings that the encoder was not trained on.

    Of those that it was trained on it is far surer. Every tag is off by a random amount with this
    standard deviation, the same in the whole and in the part, as one that is misheard would be.
    """
    off = spread * torch.randn((len(logits), logits.shape[1] // 2), generator=rng)
    return logits + torch.cat([off, off], dim=1)


@torch.no_grad()
def scene_logits(encoder: ConvNext, features: SceneFeatures) -> Floats:
    """Logits `(n_scenes, 2 C)`, as in `tag_evidence`; no audio is opened."""
    encoder.eval()
    classes = encoder.config.classes
    found = np.zeros((len(features.values), 2 * classes), np.float32)
    # A running program never pads, so rows of one length go together.
    for length in sorted(set(features.lengths.tolist())):
        rows = np.flatnonzero(features.lengths == length)
        for some in np.array_split(rows, len(rows) // BLOCK + 1):
            frames = torch.from_numpy(features.values[some, :length].astype(np.float32))
            found[some] = tag_evidence(encoder, frames).numpy()
    return found
