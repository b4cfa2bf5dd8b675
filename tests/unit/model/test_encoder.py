"""The encoder with the toy bundle."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from audiosearch._typing import AnyArray
from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.encoder import Encoded, Encoder
from audiosearch.model.runtime.batching import BatchSizer
from audiosearch.model.runtime.session import (
    Device,
    GraphSession,
    OutOfMemory,
    RuntimeOptions,
)


def test_shapes_and_lengths(bundle: Bundle, encoded: list[Encoded]) -> None:
    for one in encoded:
        assert one.frames.shape[1] == bundle.frame_dim
        assert one.embedding.shape == (bundle.embedding_dim,)
        assert one.joint is not None
        assert one.tags is not None
        assert np.linalg.norm(one.embedding) == pytest.approx(1.0, abs=1e-5)
        assert np.linalg.norm(one.joint) == pytest.approx(1.0, abs=1e-5)
        assert ((one.tags >= 0) & (one.tags <= 1)).all()
    assert encoded[3].frames.shape[0] > encoded[1].frames.shape[0]


def test_no_result_depends_on_its_batch_mates(
    encoder: Encoder, sounds: list[np.ndarray], encoded: list[Encoded]
) -> None:
    for sound, together in zip(sounds, encoded, strict=True):
        alone = encoder.encode(sound[None])[0]
        np.testing.assert_allclose(alone.frames, together.frames, atol=1e-5)
        np.testing.assert_allclose(alone.embedding, together.embedding, atol=1e-5)


def test_the_order_is_kept(
    encoder: Encoder, sounds: list[np.ndarray], encoded: list[Encoded]
) -> None:
    backwards = encoder.encode_many(sounds[::-1])
    for one, other in zip(backwards[::-1], encoded, strict=True):
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-6)
    assert encoder.encode_many([]) == []


def test_short_sounds_are_padded_at_their_end(
    bundle: Bundle, encoder: Encoder, sounds: list[np.ndarray], encoded: list[Encoded]
) -> None:
    padded = np.zeros(bundle.min_samples, np.float32)
    padded[:100] = sounds[4]
    np.testing.assert_allclose(
        encoder.encode(padded[None])[0].embedding, encoded[4].embedding, atol=1e-6
    )


def test_silence_and_full_scale_give_finite_vectors(encoder: Encoder) -> None:
    square = np.where(np.arange(8000) % 100 < 50, 1.0, -1.0).astype(np.float32)
    for one in encoder.encode_many([np.zeros(8000, np.float32), square, np.ones(1, np.float32)]):
        assert np.isfinite(one.embedding).all()


def test_more_rows_than_a_batch(encoder: Encoder) -> None:
    rows = np.random.default_rng(1).normal(0, 0.1, (19, 6000)).astype(np.float32)
    many = encoder.encode(rows)
    assert len(many) == 19
    np.testing.assert_allclose(
        many[17].embedding, encoder.encode(rows[17:18])[0].embedding, atol=1e-5
    )


class Cramped:
    """A session with room for few rows, once or for good."""

    def __init__(self, session: GraphSession, *, room: int, name: str = "cpu") -> None:
        self.session, self.room, self.workers = session, room, 2
        self.device = Device("CUDAExecutionProvider" if name == "cuda" else "CPUExecutionProvider")
        self.sizes: list[int] = []

    def run(self, names: Sequence[str], feed: Mapping[str, AnyArray]) -> list[AnyArray]:
        self.sizes.append(len(feed["waveform"]))
        if self.sizes[-1] > self.room:
            raise OutOfMemory("out of memory")
        return self.session.run(names, feed)

    def use_cpu(self, *, reason: str) -> None:
        self.room, self.device = 100, Device("CPUExecutionProvider", reason)


def cramped(bundle: Bundle, *, room: int, name: str = "cpu") -> tuple[Encoder, Cramped]:
    encoder = Encoder(bundle)
    session = Cramped(encoder._loaded(shared=True), room=room, name=name)
    encoder._sessions[True] = session  # type: ignore[assignment]
    return encoder, session


def test_out_of_memory_makes_batches_smaller(bundle: Bundle, encoder: Encoder) -> None:
    rows = np.random.default_rng(2).normal(0, 0.1, (7, 6000)).astype(np.float32)
    small, session = cramped(bundle, room=2, name="cuda")
    results = small.encode(rows)
    assert session.sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert small.device.name == "cuda"
    for one, other in zip(results, encoder.encode(rows), strict=True):
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-5)


def test_batches_are_sized_to_what_the_first_one_took(bundle: Bundle, encoder: Encoder) -> None:
    rows = np.random.default_rng(3).normal(0, 0.1, (20, 6000)).astype(np.float32)
    sized, session = cramped(bundle, room=100, name="cuda")
    told = iter([1000, 1000, 1000 - 4 * 100])  # asked before deciding, before and after the run
    sized._room = BatchSizer(lambda: next(told))
    results = sized.encode(rows)
    assert session.sizes == [4, 7, 7, 2]  # 7 rows of 100 bytes are the share of 1000
    for one, other in zip(results, encoder.encode(rows), strict=True):
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-5)


def test_a_card_without_room_gives_way_to_the_cpu_and_says_so(bundle: Bundle) -> None:
    rows = np.random.default_rng(2).normal(0, 0.1, (2, 6000)).astype(np.float32)
    small, _ = cramped(bundle, room=0, name="cuda")
    assert len(small.encode(rows)) == 2
    assert small.device.name == "cpu"
    assert "memory" in str(small.device.note)


def test_a_cpu_without_room_for_one_row_is_an_error(bundle: Bundle) -> None:
    small, _ = cramped(bundle, room=0)
    with pytest.raises(MemoryError):
        small.encode(np.zeros((1, 6000), np.float32))
    with pytest.raises(MemoryError):
        small.encode(np.zeros((5, 6000), np.float32))


def test_a_large_encoder_gives_a_lone_window_all_cores(
    bundle: Bundle, sounds: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.model.encoder.LARGE", 0)
    large = Encoder(bundle, options=RuntimeOptions(device="cpu", threads=3))
    together = large.encode_many(sounds)
    [alone] = large.encode_many(sounds[:1])
    np.testing.assert_allclose(alone.frames, together[0].frames, atol=1e-5)
    assert {shared: each.workers for shared, each in large._sessions.items()} == {True: 3, False: 1}


def test_numbers_that_are_not_finite_are_refused(encoder: Encoder) -> None:
    with pytest.raises(BundleError, match="finite"):
        encoder.encode(np.full((1, 6000), np.nan, np.float32))


def test_a_bundle_without_joint_space(plain_bundle: Path) -> None:
    bundle = load_bundle(plain_bundle)
    [one] = Encoder(bundle).encode(np.zeros((1, 6000), np.float32))
    assert one.joint is None
