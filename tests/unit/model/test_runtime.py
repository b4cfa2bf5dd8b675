"""Sessions: what they run on and what they refuse."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle, BundleFile
from audiosearch.model.runtime import providers
from audiosearch.model.runtime import session as runtime
from audiosearch.model.runtime.parallel import pausing
from audiosearch.model.runtime.providers import (
    CPU,
    CUDA,
    available_cores,
    cuda_remedy,
    wanted_providers,
)
from audiosearch.model.runtime.session import Device, GraphSession, OutOfMemory, RuntimeOptions


def test_the_cpu_is_used_and_said(bundle: Bundle) -> None:
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cpu"))
    assert session.device.name == "cpu"
    assert session.device.note is None
    assert session.inputs == ("frames",)


def test_a_card_asked_for_and_absent_is_said(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(providers, "count_cuda_devices", lambda: 0)
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
    monkeypatch.setattr(providers, "count_cuda_devices", lambda: 0)
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="auto"))
    assert session.device.name == "cpu"
    assert session.device.note is None


class Build:
    """A build of ONNX Runtime with some providers."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def get_available_providers(self) -> list[str]:
        return list(self.names)


@pytest.mark.parametrize(
    ("built", "n_cards", "device", "first", "reason"),
    [
        ((CUDA, CPU), 1, "auto", CUDA, None),
        ((CUDA, CPU), 1, "cuda", CUDA, None),
        ((CUDA, CPU), 1, "cpu", CPU, None),
        ((CUDA, CPU), 0, "auto", CPU, None),
        ((CUDA, CPU), 0, "cuda", CPU, "no graphics card was found"),
        ((CPU,), 1, "auto", CPU, None),
        ((CPU,), 1, "cuda", CPU, "this build of ONNX Runtime has no CUDA"),
    ],
)
def test_what_is_tried_first(
    monkeypatch: pytest.MonkeyPatch,
    built: tuple[str, ...],
    n_cards: int,
    device: str,
    first: str,
    reason: str | None,
) -> None:
    monkeypatch.setattr(providers, "count_cuda_devices", lambda: n_cards)
    found, why = wanted_providers(Build(*built), device)  # type: ignore[arg-type]
    assert found[0][0] == first
    assert found[-1][0] == CPU
    assert why == reason


def test_the_small_build_must_go_before_the_one_for_cards_comes() -> None:
    # Both lie in one folder: installed beside each other, either may have the last word.
    wanted = "pip install 'audiosearch[cuda]'"
    assert cuda_remedy(Build(CUDA, CPU)) == wanted  # type: ignore[arg-type]
    small = cuda_remedy(Build(CPU))  # type: ignore[arg-type]
    assert small == f"pip uninstall onnxruntime, then {wanted}"


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


def test_runs_of_a_shared_session_leave_cores_to_each_other(bundle: Bundle) -> None:
    options = RuntimeOptions(device="cpu", threads=12)
    graph = bundle.graphs["memory"]
    assert GraphSession(graph, options=options).workers == 8
    assert GraphSession(graph, options=options, shared=False).workers == 1


def test_there_is_a_core() -> None:
    assert available_cores() >= 1


class Failing:
    """A session of ONNX Runtime that fails as asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, names: list[str], feed: dict[str, object]) -> None:
        raise self.error


class EPFail(RuntimeError):
    """As ONNX Runtime names the failure of a provider."""


def failing(bundle: Bundle, error: Exception, *, provider: str) -> GraphSession:
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cpu"))
    session._session = Failing(error)
    session.device = Device(provider)
    return session


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Failed to allocate memory for requested buffer of size 1048576"),
        RuntimeError("CUDA failure 2: out of memory"),
        EPFail("CUDA failure 999: unknown error"),
    ],
)
def test_a_card_that_gives_up_gives_way_to_the_cpu(bundle: Bundle, error: Exception) -> None:
    feed = {"frames": np.ones((1, 2, bundle.frame_dim), np.float32)}
    with pytest.raises(OutOfMemory):
        failing(bundle, error, provider=CUDA).run(["memory_keys"], feed)
    session = failing(bundle, error, provider=CUDA)
    [keys] = session.run_anywhere(["memory_keys"], feed)
    assert np.isfinite(keys).all()
    assert session.device.name == "cpu"
    assert "gave up" in str(session.device.note)


def test_a_cpu_without_memory_is_an_error(bundle: Bundle) -> None:
    session = failing(bundle, RuntimeError("std::bad_alloc"), provider=CPU)
    with pytest.raises(MemoryError):
        session.run_anywhere(["memory_keys"], {})


def test_a_card_whose_libraries_are_missing_is_said_and_nothing_printed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    create = onnxruntime.InferenceSession

    def without_card(
        content: bytes, *, providers: list[tuple[str, dict[str, str]]], **options: object
    ) -> object:
        if providers[0][0] == CUDA:
            raise RuntimeError("libcudart.so.13: cannot open shared object file")
        return create(content, providers=providers, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", without_card)
    monkeypatch.setattr(runtime, "wanted_providers", lambda *_: ([(CUDA, {}), (CPU, {})], None))
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="auto"))
    assert session.device.name == "cpu"
    assert "libcudart" in str(session.device.note)
    assert "audiosearch[cuda]" in str(session.device.note)
    assert capfd.readouterr().out == ""


def test_a_pause_comes_before_each_run(bundle):
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cpu"))
    feed = {"frames": np.zeros((1, 3, bundle.frame_dim), np.float32), "lengths": np.array([3])}
    n_paused = []
    with pausing(lambda: n_paused.append(1)):
        session.run(list(session.outputs), {name: feed[name] for name in session.inputs})
        session.run(list(session.outputs), {name: feed[name] for name in session.inputs})
    assert len(n_paused) == 2
