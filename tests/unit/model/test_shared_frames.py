"""The bundled encoder hears a window in a longer sound as it hears it alone, but for its edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audiosearch._resources import bundled_models_path
from audiosearch._typing import Floats
from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle, FrameGrid, load_bundle
from audiosearch.model.encoder import Encoder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.shared_frames import SoundParts

OPTIONS = RuntimeOptions(device="cpu", threads=1)
WINDOW = 160_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(bundled_models_path() / "starter")


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle, options=OPTIONS)


def knocks(n: int) -> Floats:
    """Noise that comes and goes every two seconds."""
    generator = np.random.default_rng(5)
    envelope = np.exp(-(np.arange(n) % 32_000) / 3000)
    return (generator.standard_normal(n) * envelope * 0.2).astype(np.float32)


def cosines(one: Floats, other: Floats) -> Floats:
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray((one * other).sum(axis=-1) / lengths)


def test_a_window_that_is_all_of_the_sound_is_the_same(encoder: Encoder):
    sound = knocks(WINDOW)
    [alone] = encoder.encode_many([sound])
    [[shared]] = encoder.encode_parts([SoundParts(sound, (0,), WINDOW)])
    np.testing.assert_allclose(shared.frames, alone.frames, atol=1e-4)
    np.testing.assert_allclose(shared.embedding, alone.embedding, atol=1e-5)
    assert shared.joint is not None
    assert shared.tags is not None
    np.testing.assert_allclose(shared.joint, alone.joint, atol=1e-5)
    np.testing.assert_allclose(shared.tags, alone.tags, atol=1e-5)


def test_windows_of_a_longer_sound_are_those_that_stand_alone_but_for_their_edges(
    bundle: Bundle, encoder: Encoder
):
    assert bundle.grid is not None
    sound, step = knocks(4 * WINDOW), bundle.grid.samples
    starts = (0, 16 * step, 40 * step, 90 * step)
    [shared] = encoder.encode_parts([SoundParts(sound, starts, WINDOW)])
    alone = encoder.encode_many([sound[at : at + WINDOW] for at in starts])
    for one, other in zip(alone, shared, strict=True):
        assert one.frames.shape == other.frames.shape
        assert cosines(one.frames, other.frames)[10:21].mean() > 0.999
        assert cosines(one.frames, other.frames).mean() > 0.95


def test_windows_between_two_frames_are_heard_from_the_nearest(encoder: Encoder):
    sound = knocks(4 * WINDOW)
    starts = (WINDOW // 2, WINDOW, 3 * WINDOW // 2, 2 * WINDOW, 3 * WINDOW)
    [shared] = encoder.encode_parts([SoundParts(sound, starts, WINDOW)])
    alone = encoder.encode_many([sound[at : at + WINDOW] for at in starts])
    for one, other in zip(alone, shared, strict=True):
        assert cosines(one.embedding, other.embedding) > 0.98
        assert one.joint is not None
        assert other.joint is not None
        assert cosines(one.joint, other.joint) > 0.99


def test_where_a_stretch_begins_matters_little_beyond_its_halo(bundle: Bundle, encoder: Encoder):
    assert bundle.grid is not None
    step, halo = bundle.grid.samples, bundle.grid.halo
    sound = knocks(6 * WINDOW)
    first = 20 * step
    [[whole]] = encoder.encode_parts([SoundParts(sound, (first,), WINDOW)])
    begin = first - halo * step
    cut = sound[begin : first + WINDOW + halo * step]
    [[part]] = encoder.encode_parts([SoundParts(cut, (halo * step,), WINDOW)])
    assert cosines(whole.frames, part.frames).mean() > 0.999
    assert cosines(whole.embedding, part.embedding) > 0.999


def test_several_sounds_are_answered_in_their_order(encoder: Encoder):
    sounds = [SoundParts(knocks(WINDOW * n), (0,), WINDOW) for n in (1, 3, 2)]
    found = encoder.encode_parts(sounds)
    for one, [encoded] in zip(sounds, found, strict=True):
        [[again]] = encoder.encode_parts([one])
        np.testing.assert_array_equal(encoded.embedding, again.embedding)
    assert encoder.encode_parts([]) == []


def test_a_bundle_without_a_grid_does_not_share(bundle: Bundle):
    encoder = Encoder(replace(bundle, grid=None), options=OPTIONS)
    with pytest.raises(BundleError, match="share frames"):
        encoder.encode_parts([SoundParts(knocks(WINDOW), (0,), WINDOW)])


def test_a_grid_that_is_not_the_encoders_is_noticed(bundle: Bundle):
    encoder = Encoder(replace(bundle, grid=FrameGrid(samples=2000, halo=8)), options=OPTIONS)
    with pytest.raises(BundleError, match="frames"):
        encoder.encode_parts([SoundParts(knocks(3 * WINDOW), (0,), WINDOW)])
