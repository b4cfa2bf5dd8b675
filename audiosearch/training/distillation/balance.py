"""Several losses through one encoder, each with the say it is given.

A loss that is steep would take the whole gradient, and clipping their sum would leave nothing of
the others. So the gradient of each is measured where the encoder ends, at its frames, and brought
to its share there; a sudden spike of one is cut down by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_MEMORY = 0.99
_SPIKE = 2.0  # most that one step may be above the running size


class GradientShares:
    """Running sizes of the gradients of named losses, and their weighted sum at the frames."""

    def __init__(self) -> None:
        self.sizes: dict[str, float] = {}

    def combine(
        self, frames: Tensor, losses: Mapping[str, Tensor], shares: Mapping[str, float]
    ) -> Tensor:
        """The gradient at `frames` in which each loss has its share; the heads get their own.

        Args:
            frames: a leaf that all `losses` were computed from.
            losses: scalars; the parameters between them and `frames` get their plain gradients.
            shares: for each loss the norm its part has on average; 0 leaves the encoder alone.

        Returns:
            A tensor of the shape of `frames`, to go on backwards with.
        """
        total = torch.zeros_like(frames)
        for name, loss in losses.items():
            gradient = _backward(loss, frames)
            size = float(gradient.norm())
            known = self.sizes.get(name)
            size_now = size if known is None else min(size, _SPIKE * known)
            before = size_now if known is None else known
            self.sizes[name] = _MEMORY * before + (1 - _MEMORY) * size_now
            if size > 0 and self.sizes[name] > 0:
                total += gradient * (shares[name] * size_now / (size * self.sizes[name]))
        return total


def _backward(loss: Tensor, frames: Tensor) -> Tensor:
    """The gradient of one loss at the frames; parameters on the way add up theirs."""
    frames.grad = torch.zeros_like(frames)
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    found, frames.grad = frames.grad, None
    return found
