"""Ranges of the inputs of linear layers, for 8 bits.

Ranges of least squared error (Nagel et al. 2021, section 3.1, https://arxiv.org/abs/2106.08295):
from the least to the greatest value, rare large values would leave the others few steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto, helper

from audiosearch._typing import AnyArray, Floats
from audiosearch.errors import AudiosearchError
from audiosearch.model.runtime.session import onnx_runtime

Feed = Mapping[str, AnyArray]  # what each input of a graph is given
ROWS = 64  # of each example that shares are tried on
SHARES = (1.0, 0.9, 0.8)  # of the way to the least and greatest value; real sounds need that much

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class Range:
    """Least and greatest value of a layer's input; zero lies within."""

    least: float
    greatest: float

    @property
    def scale(self) -> float:
        """One step of 8 bits."""
        return max(self.greatest - self.least, 1e-12) / 255

    @property
    def zero(self) -> int:
        """The step that stands for zero."""
        return round(-self.least / self.scale)

    def within(self, share: float) -> Range:
        """The range with both ends drawn in to a share of themselves."""
        return Range(share * self.least, share * self.greatest)

    def rounded(self, values: Floats) -> Floats:
        """What is left of values in 8 bits."""
        steps = np.clip(np.round(values / self.scale) + self.zero, 0, 255)
        kept: Floats = ((steps - self.zero) * self.scale).astype(np.float32)
        return kept


def fitted_ranges(
    model: ModelProto, weights: Mapping[str, Sequence[Floats]], examples: Iterable[Feed]
) -> dict[str, Range]:
    """The range of each input of linear layers.

    Args:
        model: the graph.
        weights: for the name of each input, the (in, out) weights that multiply it.
        examples: what the graph is fed.

    Raises:
        AudiosearchError: there is no example.
    """
    names = sorted(weights)
    session = _watching(model, names)
    whole = dict.fromkeys(names, Range(0.0, 0.0))
    rows: dict[str, list[Floats]] = {name: [] for name in names}
    for example in examples:
        for name, value in zip(names, session.run(names, dict(example)), strict=True):
            least, greatest = float(value.min()), float(value.max())
            known = whole[name]
            whole[name] = Range(min(known.least, least), max(known.greatest, greatest))
            flat = value.reshape(-1, value.shape[-1])
            rows[name].append(flat[:: -(-len(flat) // ROWS)].copy())
    if not all(rows.values()):
        raise AudiosearchError("there is nothing to take the ranges of the model from")
    return {
        name: best_range(whole[name], np.concatenate(rows[name]), np.hstack(weights[name]))
        for name in names
    }


def best_range(whole: Range, rows: Floats, weight: Floats) -> Range:
    """The part of a range that leaves the products of `rows` and `weight` the least error.

    Rounded weights are left out: they err much less than inputs, a column having its own step.

    Args:
        whole: from the least to the greatest value of all rows there are.
        rows: (n, in) some of them.
        weight: (in, out).
    """

    def error(tried: Range) -> float:
        return float(np.square((tried.rounded(rows) - rows) @ weight).sum())

    return min((whole.within(share) for share in SHARES), key=error)


def _watching(model: ModelProto, names: Sequence[str]) -> InferenceSession:
    """A session that gives inner values of `model`."""
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnx_runtime().SessionOptions()
    options.log_severity_level = 4
    return onnx_runtime().InferenceSession(
        watched.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
