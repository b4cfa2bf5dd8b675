"""The toy bundles that are kept for tests are those that would be made now."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from tests.toy_bundles import JOINT, SETTINGS, write_toy_bundles  # noqa: E402

ATOL = 1e-6  # drawn and computed in float32, whose last bits are the processor's


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_toy_bundles(folder)
    return folder


def manifest(bundle: Path) -> dict[str, object]:
    """All that it says but the hashes."""
    content = json.loads((bundle / "bundle.json").read_text())
    assert isinstance(content, dict)
    return {**content, "files": sorted(content["files"])}


def graph(path: Path) -> tuple[list[str], list[np.ndarray]]:
    """The steps of a graph, and the constants in it, wherever they stand."""
    model = onnx.load(path)
    tensors = [*model.graph.initializer]
    for node in model.graph.node:
        tensors += [each.t for each in node.attribute if each.HasField("t")]
    steps = [f"{n.op_type} {list(n.input)} {list(n.output)}" for n in model.graph.node]
    return steps, [onnx.numpy_helper.to_array(tensor) for tensor in tensors]


@pytest.mark.parametrize("kept", [*SETTINGS, JOINT], ids=lambda kept: kept.name)
def test_what_is_kept_is_what_would_be_made(kept: Path, made: Path) -> None:
    new = made / kept.name
    assert sorted(file.name for file in kept.iterdir()) == sorted(f.name for f in new.iterdir())
    assert manifest(kept) == manifest(new)
    for file in kept.glob("*.json"):
        if file.name != "bundle.json":
            assert file.read_bytes() == (new / file.name).read_bytes()
    for file in kept.glob("*.onnx"):
        (steps, constants), (new_steps, new_constants) = graph(file), graph(new / file.name)
        assert steps == new_steps
        for one, other in zip(constants, new_constants, strict=True):
            assert one.dtype == other.dtype
            # Halves are rounded, so that a last bit may weigh a thousandth of a value.
            rtol = 1e-3 if one.dtype == np.float16 else 1e-5
            np.testing.assert_allclose(one, other, atol=ATOL, rtol=rtol)


def test_they_are_small() -> None:
    for kept in (*SETTINGS, JOINT):
        graphs = {file.stem: file.stat().st_size for file in kept.glob("*.onnx")}
        graphs.pop("text", None)
        assert 0 < sum(graphs.values()) < 120_000
