"""A model that has forgotten what it learned is found out by the truths.

Otherwise they would say nothing: they would hold whatever the weights are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from audiosearch.errors import AudiosearchError
from tests.acceptance import truths
from tests.acceptance.ears import BUNDLED, Ears, listening

Array = npt.NDArray[np.generic]
FEW = ("bell", "engine", "knocks", "rain")
WEIGHTS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8)


def shuffled(weight: Array) -> Array:
    return np.random.default_rng(0).permutation(weight.ravel()).reshape(weight.shape)


def zeroed(weight: Array) -> Array:
    return np.zeros_like(weight)


def spoiled(bundle: Path, spoil: Callable[[Array], Array]) -> Path:
    """The bundle with other weights in all its graphs, and their hashes in the manifest."""
    manifest = json.loads((bundle / "bundle.json").read_text())
    for name in set(manifest["graphs"].values()):
        model = onnx.load(bundle / name)
        for weight in model.graph.initializer:
            if weight.data_type in WEIGHTS:
                changed = spoil(numpy_helper.to_array(weight))
                weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
        data = model.SerializeToString()
        (bundle / name).write_bytes(data)
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    return bundle


def held(ears: Ears) -> list[str]:
    """The truths about what was learned that hold all the same, for each of a few sounds.

    Likeness to a changed copy is left out: filters of random weights give a sound and its copy
    like vectors too.
    """
    found = []
    with contextlib.suppress(AssertionError, AudiosearchError):
        truths.order_is_heard(ears)
        found.append("order")
    for truth in (
        truths.words_lead_to_the_sound,
        truths.the_first_label_is_right,
        truths.the_caption_names_it,
    ):
        for sound in FEW:
            with contextlib.suppress(AssertionError, AudiosearchError):
                truth(ears, sound)
                found.append(f"{truth.__name__}: {sound}")
    return found


@pytest.mark.parametrize("spoil", [shuffled, zeroed])
def test_spoiled_weights_are_found_out(spoil: Callable[[Array], Array], tmp_path: Path):
    bundle = spoiled(Path(shutil.copytree(BUNDLED, tmp_path / "bundle")), spoil)
    with listening(bundle, tmp_path) as ears:
        # Of a few labels noise names one or another right; it does not do so for half of them.
        assert len(held(ears)) <= len(FEW) // 2


def test_the_same_weights_are_not(tmp_path: Path):
    bundle = spoiled(Path(shutil.copytree(BUNDLED, tmp_path / "bundle")), lambda weight: weight)
    with listening(bundle, tmp_path) as ears:
        assert len(held(ears)) == 1 + 3 * len(FEW)
