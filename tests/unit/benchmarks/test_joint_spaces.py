"""The small side-by-side table: its pictures, its ensembles, and a whole run of a tiny one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from audiosearch.errors import AudiosearchError
from audiosearch.training.synth.made_sounds import MAKERS
from audiosearch.training.text.captions import sound_of
from audiosearch.training.trainer import Trainer
from benchmarks import joint_spaces
from benchmarks.joint_space_tables import (
    Gain,
    averaged,
    ensembles,
    figures_row,
    precisions,
    z_scored,
)
from benchmarks.joint_spaces import KINDS
from benchmarks.pictograms import PICTOGRAMS, SIDE, embed_picture, pictogram, scene_picture


def test_every_made_sound_has_a_pictogram_of_its_own():
    names = {sound_of(label) for label in MAKERS}
    assert names <= set(PICTOGRAMS)
    vectors = np.stack([embed_picture(scene_picture([name], together=False)) for name in names])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    likeness = vectors @ vectors.T - np.eye(len(names))
    assert likeness.max() < 0.95
    for name in names:
        assert 10 < pictogram(name).sum() < SIDE * SIDE / 2


def test_a_picture_shows_order_what_is_at_once_and_what_lies_under():
    first = scene_picture(["rain", "bell"], together=False)
    np.testing.assert_array_equal(first[:SIDE, :SIDE], pictogram("rain"))
    np.testing.assert_array_equal(first[:SIDE, SIDE : 2 * SIDE], pictogram("bell"))
    others = [
        scene_picture(["bell", "rain"], together=False),
        scene_picture(["rain", "bell"], together=True),
        scene_picture(["rain", "bell"], together=False, under="wind"),
    ]
    for other in others:
        assert embed_picture(first) @ embed_picture(other) < 0.999
    with pytest.raises(ValueError, match="not 4"):
        scene_picture(["rain"] * 4, together=False)
    with pytest.raises(KeyError):
        scene_picture(["an elephant"], together=False)


def test_z_scores_take_scale_and_place_away_and_plain_means_do_not():
    one = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0]], np.float32)
    np.testing.assert_allclose(z_scored(one), z_scored(10 * one + 3), rtol=1e-5)
    np.testing.assert_array_equal(z_scored(np.full((1, 3), 0.5, np.float32)), np.zeros((1, 3)))
    loud = np.array([[50.0, 20.0, 0.0], [0.0, 50.0, 0.0]], np.float32)
    assert averaged([one, one, loud], z=False)[0].argmax() == 0
    assert averaged([one, one, loud], z=True)[0].argmax() == 2


def test_ensembles_hold_the_systems_that_their_names_tell():
    names = [kind.name for kind in KINDS]
    found = ensembles(names, [1, 2, 3])
    sizes = {name: [len(group) for group in groups] for name, groups in found.items()}
    assert sizes == {
        "3 of CLAP": [3],
        "3 of CLAIP-TAG": [3],
        "4 kinds, one seed": [4, 4, 4],
        "5 kinds, one seed": [5, 5, 5],
        "10: 5 kinds, two seeds": [10, 10, 10],
        "all 15": [15],
    }
    for groups in found.values():
        assert all(len(set(group)) == len(group) for group in groups)


def test_a_row_tells_mean_and_spread_over_runs():
    right = np.eye(2, dtype=bool)
    row = figures_row("x", [np.eye(2, dtype=np.float32), 1 - np.eye(2, dtype=np.float32)], right)
    assert row == "| x | 2 | 0.500 (0.500) | 1.000 (0.000) | 1.000 (0.000) | 0.750 (0.250) |"


def test_gains_are_paired_by_scene():
    right = np.repeat(np.eye(3, dtype=bool), 2, axis=0)
    good = right.astype(np.float32)
    np.testing.assert_allclose(precisions([good], right), [1, 1, 1])
    np.testing.assert_allclose(precisions([good, -good], right), [2 / 3, 2 / 3, 2 / 3])
    better = np.linspace(0.4, 0.6, 50)
    gain = Gain.between(better, better - 0.1)
    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    noise = np.random.default_rng(1).normal(0, 0.1, 50)
    loose = Gain.between(better + noise, better)
    assert loose.low < noise.mean() < loose.high
    assert loose.high - loose.low == pytest.approx(2 * 1.96 * noise.std() / 50**0.5, rel=0.15)


def test_a_tiny_run_trains_every_kind_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(joint_spaces, "TAGGER_STEPS", 2)
    sizes = ["--seeds", "2", "--training", "6", "--test", "3", "--per-label", "8", "--epochs", "1"]
    asked = ["--out", str(tmp_path), *sizes]
    first = CliRunner().invoke(joint_spaces.main, asked, catch_exceptions=False)
    lines = first.stdout.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:7]] == [kind.name for kind in KINDS]
    for kind in KINDS:
        similarities = np.load(tmp_path / f"{kind.folder}-2" / "similarities.npy")
        assert similarities.shape == (6, 3)
        assert np.abs(similarities).max() <= 1 + 1e-5

    def never(*_: object, **__: object) -> Path:
        raise AssertionError("it is trained already")

    monkeypatch.setattr(Trainer, "run", never)
    again = CliRunner().invoke(joint_spaces.main, asked, catch_exceptions=False)
    assert again.stdout == first.stdout
    with pytest.raises(AudiosearchError, match="other sizes"):
        CliRunner().invoke(joint_spaces.main, [*asked[:-1], "2"], catch_exceptions=False)
