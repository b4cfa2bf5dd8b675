"""Arrays that stay on a device: the same numbers as plain runs, and what happens when it gives up.

The CPU holds arrays as a graphics card does; a card itself is tried in tests/integration.
"""

from __future__ import annotations

import numpy as np
import pytest

from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded
from audiosearch.model.memory import ROWS_GRAPH, Gather
from audiosearch.model.runtime.device_array import DeviceArray
from audiosearch.model.runtime.providers import CPU, CUDA
from audiosearch.model.runtime.session import (
    Device,
    GraphSession,
    Lost,
    OutOfMemory,
    RuntimeOptions,
)
from audiosearch.model.scoring import CaptionScorer

HOLDING = RuntimeOptions(device="cpu", hold=True)
TEXTS = ("a dog barks", "rain falls on a roof", "a bell", "a dog barks and rain falls")


@pytest.fixture
def holding(bundle: Bundle) -> Decoder:
    return Decoder(bundle, options=HOLDING)


@pytest.fixture(scope="module")
def frames(encoded: list[Encoded]) -> list[np.ndarray]:
    return [one.frames for one in encoded]


def test_the_cpu_does_not_hold_unless_asked(bundle: Bundle) -> None:
    graph = bundle.graphs["memory"]
    assert not GraphSession(graph, options=RuntimeOptions(device="cpu")).holds
    assert GraphSession(graph, options=HOLDING).holds


def test_held_outputs_are_the_same_numbers_and_feed_the_next_run(
    bundle: Bundle, frames: list[np.ndarray]
) -> None:
    session = GraphSession(bundle.graphs["memory"], options=HOLDING)
    feed = {"frames": np.stack([frames[0], frames[2]])}
    names = ["memory_keys", "memory_values"]
    plain = session.run(names, feed)
    [keys], [values] = session.run_holding(names[:1], names[1:], feed)
    assert isinstance(values, DeviceArray)
    assert values.shape == plain[1].shape
    np.testing.assert_array_equal(keys, plain[0])
    np.testing.assert_array_equal(np.asarray(values), plain[1])
    gather = Gather(options=HOLDING)
    taken = gather.take(values, np.array([1, 1, 0]))
    assert isinstance(taken, DeviceArray)
    np.testing.assert_array_equal(np.asarray(taken), plain[1][[1, 1, 0]])
    again = gather.take(taken, np.array([2]))
    np.testing.assert_array_equal(np.asarray(again), plain[1][:1])
    assert gather.take(values, np.array([0, 1])) is values


def test_a_session_that_does_not_hold_gives_arrays(
    bundle: Bundle, frames: list[np.ndarray]
) -> None:
    session = GraphSession(bundle.graphs["memory"], options=RuntimeOptions(device="cpu"))
    [keys], [values] = session.run_holding(
        ["memory_keys"], ["memory_values"], {"frames": frames[0][None]}
    )
    assert isinstance(keys, np.ndarray)
    assert isinstance(values, np.ndarray)


def test_every_caption_and_loss_is_the_same_held_or_not(
    decoder: Decoder, holding: Decoder, frames: list[np.ndarray]
) -> None:
    alike = [frames[0], frames[2], frames[0] + np.float32(0.3)]  # equally long: no padding to drop
    found, expected = (Captioner(each).captions(alike) for each in (holding, decoder))
    assert found == expected
    losses = [
        CaptionScorer(each, block=2).cross_entropies(
            [each.bundle.vocabulary.encode(text) for text in TEXTS], each.memory(alike)
        )
        for each in (holding, decoder)
    ]
    np.testing.assert_array_equal(*losses)
    alone = [
        CaptionScorer(each).without_sound([each.bundle.vocabulary.encode(text) for text in TEXTS])
        for each in (holding, decoder)
    ]
    np.testing.assert_array_equal(*alone)


def test_padding_that_held_memory_keeps_is_not_heard(
    decoder: Decoder, holding: Decoder, frames: list[np.ndarray]
) -> None:
    captions = [decoder.bundle.vocabulary.encode(text) for text in TEXTS]
    sounds = [1, 3, 1, 4]
    found, expected = (
        CaptionScorer(each).cross_entropy(captions, each.memory(frames), sounds=sounds)
        for each in (holding, decoder)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    ids = [
        [caption.ids for caption in Captioner(each).captions(frames)] for each in (holding, decoder)
    ]
    assert ids[0] == ids[1]


def test_rows_of_rows_are_those_rows(holding: Decoder, frames: list[np.ndarray]) -> None:
    memory = holding.memory(frames)
    twice = memory.take(np.array([3, 1, 0])).take(np.array([2, 0]))
    assert len(twice) == 2
    np.testing.assert_array_equal(twice.lengths, [len(frames[0]), len(frames[3])])
    gathered = holding._gathered(twice)
    assert isinstance(gathered.keys, DeviceArray)
    np.testing.assert_array_equal(np.asarray(gathered.keys), np.asarray(memory.keys)[[0, 3]])


def test_wrong_inputs_to_a_holding_session_are_a_bundle_error(bundle: Bundle) -> None:
    session = GraphSession(bundle.graphs["memory"], options=HOLDING)
    with pytest.raises(BundleError):
        session.run_holding(["memory_keys"], [], {"frames": np.zeros((1, 2, 3), np.float32)})
    with pytest.raises(BundleError):
        session.run_holding([], ["nothing"], {"frames": np.zeros((1, 2, 16), np.float32)})
    with pytest.raises(BundleError):
        session.run_holding([], ["memory_keys"], {"frame": np.zeros((1, 2, 16), np.float32)})


class Failing:
    """A card's session that works for some runs, and then has no room."""

    def __init__(self, session: object, *, runs: int) -> None:
        self.session, self.runs = session, runs

    def io_binding(self) -> object:
        return self.session.io_binding()  # type: ignore[attr-defined]

    def run_with_iobinding(self, binding: object) -> None:
        if self.runs == 0:
            raise RuntimeError("CUDA failure 2: out of memory")
        self.runs -= 1
        self.session.run_with_iobinding(binding)  # type: ignore[attr-defined]


def pretended_card(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, **runs: int) -> Decoder:
    """A decoder whose sessions say that they run on a card, of which some fail after so many runs.

    What they hold is held on the CPU in truth.
    """
    bound = "audiosearch.model.runtime.session.bound_run"
    from audiosearch.model.runtime import device_array as held  # noqa: PLC0415 - the originals
    from audiosearch.model.runtime import session as runtime  # noqa: PLC0415 - the originals

    def on_cpu(session, names, kept, feed, *, device):  # type: ignore[no-untyped-def]
        fetched, stay = held.bound_run(session, names, kept, feed, device="cpu")
        return fetched, [DeviceArray(each.value, device) for each in stay]

    monkeypatch.setattr(bound, on_cpu)
    load = GraphSession.__init__

    def loaded(self, graph, **settings):  # type: ignore[no-untyped-def]
        load(self, graph, **settings)
        self.device = Device(CUDA)
        if graph.path.stem in runs:
            self._session = Failing(self._session, runs=runs[graph.path.stem])

    monkeypatch.setattr(GraphSession, "__init__", loaded)
    runtime._say.cache_clear()
    return Decoder(bundle, options=RuntimeOptions(device="cpu"))


def test_a_card_takes_more_sounds_together(
    bundle: Bundle, decoder: Decoder, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = frames[:3] * 8
    expected = Captioner(decoder).captions(many)
    card = pretended_card(bundle, monkeypatch)
    asked: list[int] = []
    memory = card.memory
    monkeypatch.setattr(card, "memory", lambda given: (asked.append(len(given)), memory(given))[1])
    found = Captioner(card).captions(many)
    assert asked[0] == 24  # and then those whose sentence has to be heard once more
    assert [each.ids for each in found] == [each.ids for each in expected]


@pytest.mark.parametrize(
    "runs", [{"memory": 0}, {"decoder": 0}, {"decoder": 3}, {"rows": 0}, {"rows": 5}]
)
def test_a_card_that_gives_up_amid_a_beam_changes_no_caption(
    bundle: Bundle,
    decoder: Decoder,
    frames: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    runs: dict[str, int],
) -> None:
    expected = Captioner(decoder).captions(frames)
    failing = pretended_card(bundle, monkeypatch, **runs)
    found = Captioner(failing).captions(frames)
    assert [each.ids for each in found] == [each.ids for each in expected]
    np.testing.assert_allclose(
        [each.cross_entropy for each in found],
        [each.cross_entropy for each in expected],
        atol=1e-5,
    )
    for session in failing._sessions.values():
        assert session.device.provider == CPU
        assert "gave up" in str(session.device.note)


def test_what_a_card_held_is_made_anew_when_it_is_left(
    bundle: Bundle, decoder: Decoder, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = [decoder.bundle.vocabulary.encode(text) for text in TEXTS]
    expected = CaptionScorer(decoder).cross_entropies(captions, decoder.memory(frames))
    failing = pretended_card(bundle, monkeypatch)
    memory, silence = failing.memory(frames), failing.null_memory()
    assert isinstance(memory.keys, DeviceArray)
    assert isinstance(silence.keys, DeviceArray)
    failing._session("decoder").use_cpu(reason="another thread had no room")
    with pytest.raises(Lost):
        failing._session("decoder").run_holding([], [], {"memory_keys": memory.keys})
    found = CaptionScorer(failing).cross_entropies(captions, memory)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert failing._session("memory").device.name == "cpu"
    assert isinstance(failing.null_memory().keys, np.ndarray)
    np.testing.assert_allclose(
        CaptionScorer(failing).without_sound(captions),
        CaptionScorer(decoder).without_sound(captions),
        atol=1e-5,
    )


def test_a_cpu_without_room_is_an_error(
    holding: Decoder, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = holding.memory(frames[:1])

    def full(*_: object, **__: object) -> None:
        raise OutOfMemory("std::bad_alloc")

    monkeypatch.setattr(GraphSession, "run_holding", full)
    with pytest.raises(MemoryError):
        holding.log_probs(np.array([[1, 4]]), memory)
    with pytest.raises(MemoryError):
        holding.memory(frames[:1])
    with pytest.raises(MemoryError):
        holding.steps(memory)(np.array([1]), np.array([0]))


def test_the_graph_that_takes_rows_is_one_gather() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(ROWS_GRAPH)
    onnx.checker.check_model(model, full_check=True)
    [node] = model.graph.node
    assert (node.op_type, list(node.input), list(node.output)) == (
        "Gather",
        ["values", "rows"],
        ["taken"],
    )
    assert [(item.name, item.i) for item in node.attribute] == [("axis", 0)]
    assert len(model.graph.initializer) == 0
