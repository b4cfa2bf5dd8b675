"""Sessions: what they run on and what they refuse."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from audiosearch.errors import BundleError
from audiosearch.model import runtime
from audiosearch.model.bundle import Bundle, BundleFile
from audiosearch.model.runtime import GraphSession, RuntimeOptions, available_cores


def test_the_cpu_is_used_and_said(bundle: Bundle) -> None:
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cpu"))
    assert session.device.name == "cpu"
    assert session.device.note is None
    assert session.inputs == ("frames",)


def test_a_card_asked_for_and_absent_is_said(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "count_cuda_devices", lambda: 0)
    runtime._say.cache_clear()
    with caplog.at_level("WARNING"):
        session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cuda"))
        GraphSession(bundle.graphs["text"], options=RuntimeOptions(device="cuda"))
    assert session.device.name == "cpu"
    assert "audiosearch[cuda]" in str(session.device.note)
    assert len(caplog.records) == 1


def test_auto_without_a_card_is_the_cpu_and_nothing_to_say(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "count_cuda_devices", lambda: 0)
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="auto"))
    assert session.device.name == "cpu"
    assert session.device.note is None


def test_the_number_of_threads_changes_no_answer(bundle: Bundle) -> None:
    frames = np.random.default_rng(0).normal(size=(3, 7, bundle.frame_dim)).astype(np.float32)
    one, two = (
        GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cpu", threads=n)).run(
            ["memory_keys"], {"frames": frames}
        )[0]
        for n in (1, 2)
    )
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_what_the_runtime_refuses_names_the_file(tmp_path: Path) -> None:
    content = b"\x08\x08\x3a\x00"
    path = tmp_path / "empty.onnx"
    path.write_bytes(content)
    file = BundleFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    with pytest.raises(BundleError, match=r"empty\.onnx.*ONNX Runtime refuses"):
        GraphSession(file, options=RuntimeOptions(device="cpu"))


def test_wrong_inputs_are_a_bundle_error(bundle: Bundle) -> None:
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cpu"))
    with pytest.raises(BundleError):
        session.run(["memory_keys"], {"frames": np.zeros((1, 2, 3), np.float32)})
    with pytest.raises(BundleError):
        session.run(["nothing"], {"frames": np.zeros((1, 2, bundle.frame_dim), np.float32)})


def test_there_is_a_core() -> None:
    assert available_cores() >= 1
