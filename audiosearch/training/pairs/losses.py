"""The losses of Sun et al. 2023 (DCASE 2023, task 6b; Xiaomi's technical report).

Rows of a batch belong together: sound i, text i and, where there are any, picture i.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional


class TagDistance(StrEnum):
    """How far the tags of the encoder in training are from those of the frozen one."""

    MAE = "mae"
    MSLE = "msle"


def info_nce(queries: Tensor, keys: Tensor, temperature: Tensor | float) -> Tensor:
    """InfoNCE in one direction, eq (2) from sound to text and eq (3) the other way round.

    The mean over i of `-log exp(s_ii / t) / sum_j exp(s_ij / t)`, with cosines s_ij.

    Args:
        queries: unit vectors `(B, J)`, for each of which its key is looked for.
        keys: unit vectors `(B, J)`.
        temperature: t.
    """
    scores = queries @ keys.T / temperature
    return functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


def clap_loss(sound: Tensor, text: Tensor, temperature: Tensor | float) -> Tensor:
    """CLAP, eq (1): both directions, summed and not halved."""
    return info_nce(sound, text, temperature) + info_nce(text, sound, temperature)


def tag_distance(tags: Tensor, frozen: Tensor, kind: TagDistance) -> Tensor:
    """Between probabilities `(B, C)`: the mean absolute error, or the mean squared one of logs.

    MSLE is the mean of `(log(1 + a) - log(1 + b))^2`.
    """
    if kind is TagDistance.MAE:
        return (tags - frozen).abs().mean()
    return (tags.log1p() - frozen.log1p()).square().mean()


def clap_tag_loss(
    clap: Tensor, tags: Tensor, frozen: Tensor, *, kind: TagDistance, weight: float
) -> Tensor:
    """CLAP-TAG, eq (7): what the encoder in training hears stays near what the frozen one hears."""
    return clap + weight * tag_distance(tags, frozen, kind)


def claip_loss(
    clap: Tensor, image: Tensor, text: Tensor, has_image: Tensor, temperature: Tensor | float
) -> Tensor:
    """CLAIP, eq (4): CLAP and InfoNCE from pictures to texts, in that direction alone.

    With `clap_tag_loss` in place of `clap` it is CLAIP-TAG, eq (8).

    Args:
        clap: the loss that it is added to.
        image: unit vectors `(B, J)`; rows without a picture may hold anything.
        text: unit vectors `(B, J)`.
        has_image: `(B,)` whether there is a picture; all texts compete for those there are.
        temperature: of the softmax.
    """
    if not bool(has_image.any()):
        return clap
    scores = image[has_image] @ text.T / temperature
    return clap + functional.cross_entropy(scores, has_image.nonzero()[:, 0])
