"""Bundles that refer to others: what they compute together, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiosearch._resources import bundled_models_path
from audiosearch.config import Config
from audiosearch.errors import BundleError
from audiosearch.library.combining import combine_many, combine_two
from audiosearch.model.bundle import Bundle, BundlePart, listed_fingerprint, load_bundle
from audiosearch.model.combined import _of_each, _side_by_side, resampled
from audiosearch.model.combined_bundle import with_score, write_combined
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from tests.toy_bundles import JOINT, MEANING, OTHER, PLAIN, TOY

OPTIONS = RuntimeOptions(device="cpu")
TEXTS = ["a dog barks", "rain falls and then a bell rings"]


def opened(path: Path) -> Model:
    return Model.open(path, options=OPTIONS)


def part(path: Path, joint: float = 0.0, captions: float = 0.0) -> BundlePart:
    return BundlePart(bundle=load_bundle(path), joint=joint, captions=captions)


def written(path: Path, *parts: BundlePart) -> Bundle:
    score = parts[-1].bundle.score
    return load_bundle(write_combined(path, parts, score=score, description="Together."))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def top(folder):
    """The joint space of one, the captioner of another."""
    return opened(written(folder / "top", part(JOINT, joint=1.0), part(PLAIN, captions=1.0)).path)


@pytest.fixture(scope="module")
def both(folder):
    """Two of everything, one counting twice as much."""
    parts = part(TOY, joint=2 / 3, captions=2 / 3), part(OTHER, joint=1 / 3, captions=1 / 3)
    return opened(written(folder / "both", *parts).path)


@pytest.fixture(scope="module")
def three(folder):
    """Two captioners, and three joint spaces at two rates."""
    parts = (
        part(JOINT, joint=0.5),
        part(TOY, joint=0.25, captions=0.5),
        part(OTHER, joint=0.25, captions=0.5),
    )
    return opened(written(folder / "three", *parts).path)


def noise(rate: int, *, seconds: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, round(rate * seconds)).astype(np.float32)


def test_each_part_gives_what_it_is_asked_for(top):
    bundle, joint, captioner = top.bundle, opened(JOINT), opened(PLAIN)
    assert (bundle.sample_rate, bundle.joint_dim) == (24_000, joint.bundle.joint_dim)
    assert bundle.frame_dim == captioner.bundle.frame_dim
    sound = noise(24_000, seconds=6)
    [heard] = top.encoder.encode_many([sound])
    [of_joint] = joint.encoder.encode_many([sound])
    [of_captioner] = captioner.encoder.encode_many([resampled(sound, 24_000, 16_000)])
    np.testing.assert_array_equal(heard.joint, of_joint.joint)
    np.testing.assert_array_equal(heard.frames, of_captioner.frames)
    np.testing.assert_array_equal(heard.tags, of_captioner.tags)
    np.testing.assert_array_equal(top.tower.embed(TEXTS), joint.tower.embed(TEXTS))
    tokens = [top.scorer.encode(text) for text in TEXTS]
    np.testing.assert_array_equal(
        top.scorer.cross_entropies(tokens, top.decoder.memory([heard.frames])),
        captioner.scorer.cross_entropies(tokens, captioner.decoder.memory([heard.frames])),
    )
    [said] = top.captioner.captions([heard.frames])
    assert said == captioner.captioner.captions([heard.frames])[0]


def test_cosines_of_an_ensemble_are_weighted_means(both):
    sound = noise(16_000, seconds=7)
    [heard] = both.encoder.encode_many([sound])
    found = both.tower.embed(TEXTS) @ heard.joint
    expected = np.zeros(2)
    for path, weight in ((TOY, 2 / 3), (OTHER, 1 / 3)):
        one = opened(path)
        [alone] = one.encoder.encode_many([sound])
        expected += weight * (one.tower.embed(TEXTS) @ alone.joint)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(heard.joint), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(heard.embedding), 1.0, atol=1e-6)


def test_cross_entropies_of_an_ensemble_are_weighted_means(both):
    sounds = [noise(16_000, seconds=7), noise(16_000, seconds=3, seed=1)]
    heard = both.encoder.encode_many(sounds)
    tokens = [both.scorer.encode(text) for text in TEXTS]
    frames = [each.frames for each in heard]
    found = both.scorer.cross_entropies(tokens, both.decoder.memory(frames))
    alone = both.scorer.without_sound(tokens)
    expected, expected_alone = np.zeros((2, 2)), np.zeros(2)
    for path, weight in ((TOY, 2 / 3), (OTHER, 1 / 3)):
        one = opened(path)
        own = [each.frames for each in one.encoder.encode_many(sounds)]
        expected += weight * one.scorer.cross_entropies(tokens, one.decoder.memory(own))
        expected_alone += weight * one.scorer.without_sound(tokens)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(alone, expected_alone, atol=1e-5)


def test_each_step_of_a_beam_averages_the_log_probabilities(both):
    """Steps with caches say what all words at once do, and beams are made of these."""
    [heard] = both.encoder.encode_many([noise(16_000, seconds=5)])
    memory = both.decoder.memory([heard.frames])
    words = np.array([[both.bundle.start_token, 5, 9, 20]], np.int64)
    at_once = both.decoder.log_probs(words, memory)[0]
    step = both.decoder.steps(memory)
    for place in range(words.shape[1]):
        values = step(words[:, place], np.zeros(1, np.int64))
        np.testing.assert_allclose(values[0], at_once[place], atol=1e-5)
    [said] = both.captioner.captions([heard.frames])
    losses = [
        opened(path).captioner.captions([own.frames])[0].text
        for path in (TOY, OTHER)
        for own in opened(path).encoder.encode_many([noise(16_000, seconds=5)])
    ]
    assert said.text
    assert losses[0] != losses[1]


def test_three_parts_at_two_rates(three):
    assert three.bundle.joint_dim == 6 + 8 + 8
    assert three.bundle.sample_rate == 24_000
    [heard] = three.encoder.encode_many([noise(24_000, seconds=4)])
    assert heard.joint.shape == (22,)
    assert heard.frames.shape[1] == three.bundle.frame_dim == 2 * (12 + 1)
    cosine = float(three.tower.embed(TEXTS)[0] @ heard.joint)
    joint = opened(JOINT)
    [alone] = joint.encoder.encode_many([noise(24_000, seconds=4)])
    others = cosine - 0.5 * float(joint.tower.embed(TEXTS)[0] @ alone.joint)
    assert abs(others) < 0.5


@pytest.mark.parametrize("weights", [None, (1.0, 3.0)])
def test_likenesses_by_z_scores_rank_as_the_mean_of_z_scores(tmp_path, weights):
    """One space spreads far more than the other; captions are averaged as before."""
    names, models = ("toy", "other"), {"toy": opened(TOY), "other": opened(OTHER)}
    for path in (TOY, OTHER):
        shutil.copytree(path, tmp_path / "models" / path.name)
    sounds = [noise(24_000, seconds=3, seed=seed) * (1 + seed) for seed in range(6)]
    cosines = {
        name: np.stack(
            [
                each.joint
                for each in model.encoder.encode_many(
                    [resampled(x, 24_000, model.bundle.sample_rate) for x in sounds]
                )
            ]
        )
        @ model.tower.embed(TEXTS).T
        for name, model in models.items()
    }
    spreads = {"toy": float(cosines["toy"].std()), "other": 0.01 * float(cosines["other"].std())}
    config = Config(tmp_path, tmp_path / "config.toml")
    made = combine_many(
        config, names, name="z", weights=weights, spread=lambda part: spreads[part.path.name]
    )
    toy, other = (part.joint for part in made.parts)
    first, second = weights or (1.0, 1.0)
    assert toy + other == pytest.approx(1.0)
    assert other / toy == pytest.approx(second / first * spreads["toy"] / spreads["other"])
    assert made.parts[1].captions == pytest.approx(second / (first + second))
    assert "z-scored" in made.description
    z = sum(
        weight * (cosines[name] - cosines[name].mean()) / spreads[name]
        for name, weight in zip(names, (first, second), strict=True)
    )
    together = Model(made, options=OPTIONS)
    rate = made.sample_rate
    heard = together.encoder.encode_many([resampled(x, 24_000, rate) for x in sounds])
    found = np.stack([each.joint for each in heard]) @ together.tower.embed(TEXTS).T
    np.testing.assert_array_equal(found.argsort(axis=0), z.argsort(axis=0))
    np.testing.assert_array_equal(found.argsort(axis=1), z.argsort(axis=1))
    plain = combine_many(config, names, name="plain", weights=weights)
    assert plain.parts[0].joint == pytest.approx(first / (first + second))


def test_what_counts_as_alike_is_that_of_the_joint_spaces(tmp_path):
    from dataclasses import replace  # noqa: PLC0415

    for path, like in ((JOINT, 0.8), (TOY, 0.2), (PLAIN, 0.9)):
        bundle = load_bundle(shutil.copytree(path, tmp_path / "models" / path.name))
        assert (bundle.score.like, bundle.score.weakly_like) == (0.4, 0.2)
        with_score(bundle, replace(bundle.score, like=like, weakly_like=like / 2))
    config = Config(tmp_path, tmp_path / "config.toml")
    two = combine_two(config, joint="joint", captioner="plain", name="two")
    assert (two.score.like, two.score.weakly_like) == (0.8, 0.4)
    assert two.score.text_match == load_bundle(tmp_path / "models" / "plain").score.text_match
    many = combine_many(config, ("joint", "toy", "plain"), name="many", weights=(3, 1, 9))
    assert many.score.like == pytest.approx(0.65)
    assert many.score.weakly_like == pytest.approx(0.325)


def test_a_bundle_that_says_nothing_of_what_is_alike_has_the_bundled_bounds(tmp_path):
    bundle = shutil.copytree(TOY, tmp_path / "toy")
    manifest = json.loads((bundle / "bundle.json").read_text())
    del manifest["score"]["like"], manifest["score"]["weakly_like"]
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    assert load_bundle(bundle).score == load_bundle(TOY).score
    assert load_bundle(bundled_models_path() / "starter").score.like == 0.4


@pytest.mark.parametrize("value", [-0.1, 1.1, "much", True])
def test_a_bound_that_no_likeness_has_is_refused(tmp_path, value):
    bundle = shutil.copytree(TOY, tmp_path / "toy")
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["score"]["weakly_like"] = value
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"score\.weakly_like"):
        load_bundle(bundle)


def test_an_ensemble_of_joint_spaces_has_no_captioner(folder):
    bundle = written(folder / "spaces", part(JOINT, joint=0.5), part(TOY, joint=0.5))
    assert bundle.decoder is None
    model = opened(bundle.path)
    [heard] = model.encoder.encode_many([noise(24_000, seconds=2)])
    assert heard.frames.shape == (1, bundle.frame_dim)
    assert heard.joint.shape == (bundle.joint_dim,)


@pytest.mark.parametrize(("fast", "slow"), [(10, 10), (10, 4), (4, 10), (7, 1), (31, 30)])
def test_frames_of_unlike_encoders_come_back_as_they_were(fast, slow):
    rng = np.random.default_rng(0)
    frames = [rng.random((fast, 3), np.float32), rng.random((slow, 2), np.float32)]
    table = _side_by_side(frames)
    assert table.shape == (max(fast, slow), 3 + 2 + 2)
    for ours, theirs in zip(_of_each(table, [3, 2]), frames, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for start in range(len(table)):  # a part of a window always has a frame of each
        for ours in _of_each(table[start : start + 2], [3, 2]):
            assert 1 <= len(ours) <= 2


def test_what_a_part_counts_tells_bundles_apart_and_the_score_does_not(folder):
    one = written(folder / "w1", part(TOY, joint=0.5), part(OTHER, joint=0.5))
    other = written(folder / "w2", part(TOY, joint=0.6), part(OTHER, joint=0.4))
    assert one.fingerprint != other.fingerprint
    assert listed_fingerprint(one.path) == one.fingerprint
    from dataclasses import replace  # noqa: PLC0415

    changed = with_score(one, replace(one.score, bias=0.25))
    assert load_bundle(one.path).score == changed.score
    assert load_bundle(one.path).fingerprint == one.fingerprint


def test_parts_are_found_beside_it_when_all_have_moved(tmp_path):
    for path in (TOY, OTHER):
        shutil.copytree(path, tmp_path / "a" / path.name)
    parts = [part(tmp_path / "a" / path.name, joint=0.5) for path in (TOY, OTHER)]
    written(tmp_path / "a" / "both", *parts)
    (tmp_path / "a").rename(tmp_path / "b")
    moved = load_bundle(tmp_path / "b" / "both")
    assert [each.bundle.path.name for each in moved.parts] == [TOY.name, OTHER.name]


def test_a_part_that_is_gone_changed_or_tampered_with_is_refused(tmp_path):
    for path in (TOY, OTHER):
        shutil.copytree(path, tmp_path / path.name)
    both = written(
        tmp_path / "both", part(tmp_path / "toy", joint=0.5), part(tmp_path / "other", joint=0.5)
    ).path
    graph = tmp_path / "toy" / "text.onnx"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + b"x")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        load_bundle(both)
    graph.write_bytes(content)
    shutil.rmtree(tmp_path / "toy")
    with pytest.raises(BundleError, match="not there any more") as gone:
        load_bundle(both)
    assert "models combine" in gone.value.remedy
    # One that is published is fetched again.
    manifest = both / "bundle.json"
    manifest.write_text(manifest.read_text().replace("toy", "clap-fused"))
    with pytest.raises(BundleError, match="clap-fused, which is not there any more") as gone:
        load_bundle(both)
    assert gone.value.remedy == "audiosearch models pull clap-fused fetches it"
    manifest.write_text(manifest.read_text().replace("clap-fused", "toy"))
    shutil.copytree(MEANING, tmp_path / "toy")
    with pytest.raises(BundleError, match="another version of toy"):
        load_bundle(both)


def test_parts_that_do_not_go_together_are_refused(folder, tmp_path, top):
    with pytest.raises(BundleError, match="no captioner"):
        written(tmp_path / "x", part(JOINT, captions=1.0), part(TOY, joint=1.0))
    with pytest.raises(BundleError, match="no space shared"):
        written(tmp_path / "x", part(PLAIN, joint=1.0), part(TOY, captions=1.0))
    with pytest.raises(BundleError, match="combined itself"):
        written(tmp_path / "x", part(top.bundle.path, joint=1.0), part(TOY, captions=1.0))
    with pytest.raises(BundleError, match="different words"):
        written(tmp_path / "x", part(MEANING, captions=0.5), part(TOY, captions=0.5))
    with pytest.raises(BundleError, match="counts for nothing"):
        written(tmp_path / "x", part(TOY), part(OTHER, joint=1.0))
    with pytest.raises(BundleError, match="toy twice would be what toy is by itself") as same:
        written(tmp_path / "x", part(TOY, joint=1.0), part(TOY, captions=1.0))
    assert "name different bundles" in same.value.remedy
    shutil.copytree(TOY, tmp_path / "copy")
    with pytest.raises(BundleError, match="toy and copy, which are the same"):
        written(tmp_path / "x", part(TOY, joint=0.5), part(tmp_path / "copy", joint=0.5))
    with pytest.raises(BundleError, match="2 to 32"):
        written(tmp_path / "x", part(TOY, joint=1.0))
    assert not (tmp_path / "x").exists()


def test_what_does_not_go_together_is_refused_before_anything_is_heard(tmp_path):
    for path in (TOY, OTHER, MEANING, PLAIN):
        shutil.copytree(path, tmp_path / "models" / path.name)
    config = Config(tmp_path, tmp_path / "config.toml")

    def spread(part):
        raise AssertionError(f"{part.path.name} was listened to")

    for names, name, said in (
        ((MEANING.name, TOY.name), "new", "different words"),
        ((TOY.name, TOY.name), "new", "twice"),
        ((OTHER.name, PLAIN.name), "new", "nothing to weigh"),
        ((TOY.name, OTHER.name), PLAIN.name, PLAIN.name),
    ):
        with pytest.raises(BundleError, match=said):
            combine_many(config, names, name=name, spread=spread)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("parts", None, "parts must be"),
        ("parts", [1, 2], "list of objects"),
        ("parts", [{}, {}], "parts.0.name"),
        ("score", None, "score must be"),
        ("format", 4, "format 4 is unknown"),
    ],
)
def test_manifests_that_are_wrong_are_refused(folder, tmp_path, both, key, value, message):
    manifest = json.loads((both.bundle.path / "bundle.json").read_text()) | {key: value}
    (tmp_path / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path)


def test_a_bundle_cannot_refer_to_itself(tmp_path, both):
    manifest = json.loads((both.bundle.path / "bundle.json").read_text())
    for each in manifest["parts"]:
        each |= {"name": "loop", "path": "../loop"}
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="not there any more"):
        load_bundle(tmp_path / "loop")
