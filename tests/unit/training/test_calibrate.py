"""The score's weights and threshold."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.errors import AudiosearchError
from audiosearch.training.calibrate import (
    AS_GOOD,
    MixMetrics,
    ThresholdErrors,
    Trials,
    balanced_error,
    best_mix,
    calibrate,
    fit_logistic,
    mean_reciprocal_rank,
    mix_curve,
    read_calibration,
    scene_trials,
    unrelated,
    weak_threshold,
    write_calibration,
)
from audiosearch.training.metrics import order_accuracy, recall, scaled
from audiosearch.training.scoring import PairScores
from audiosearch.training.text.captions import Relation, SceneDescription


def test_logistic_regression_finds_the_weights_that_made_the_data():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(20_000)
    chance = 1 / (1 + np.exp(-(2.0 * values - 0.5)))
    truth = (rng.random(20_000) < chance).astype(float)
    found = fit_logistic(values, truth, np.ones(20_000))
    assert found == pytest.approx((2.0, -0.5), abs=0.12)


def _trials(lift, cosine, right, wrong):
    scores = PairScores(
        cross_entropy=(2.0 - lift).astype(np.float32),
        silent=np.full(lift.shape[1], 2.0, np.float32),
        cosine=cosine.astype(np.float32),
        words=np.full(lift.shape[1], 6, np.float32),
        known=np.ones(lift.shape[1], np.float32),
    )
    return Trials(scores, right, wrong)


def _of_own(lift, cosine):
    own = np.eye(len(lift), dtype=bool)
    return {"own": _trials(lift, cosine, own, ~own)}


def test_evidence_that_only_misleads_gets_no_share():
    rng = np.random.default_rng(0)
    lift = np.eye(60) + 0.3 * rng.standard_normal((60, 60))
    misleading = -np.eye(60) + 0.3 * rng.standard_normal((60, 60))
    assert best_mix(mix_curve(_of_own(lift, misleading)))[1] == 0


def test_evidence_that_helps_gets_its_share():
    rng = np.random.default_rng(0)
    lift = np.eye(60) + 0.6 * rng.standard_normal((60, 60))
    cosine = np.eye(60) + 0.6 * rng.standard_normal((60, 60))
    assert 0.3 < best_mix(mix_curve(_of_own(lift, cosine)))[1] < 3


def test_of_mixes_that_are_as_good_the_one_that_knows_most_words_is_taken():
    def mix(joint, *ranks):
        names = ("scenes", "other")
        return MixMetrics(
            1.0, joint, dict(zip(names, ranks, strict=True)), dict.fromkeys(names, 0.1)
        )

    mixes = [mix(1.0, 0.80, 0.50), mix(4.0, 0.79, 0.60), mix(8.0, 0.78, 0.60), mix(16, 0.7, 0.6)]
    assert best_mix(mixes) == (1.0, 8.0)
    assert best_mix([*mixes[:2], mix(8.0, 0.76, 0.60)]) == (1.0, 4.0)


def test_errors_are_balanced_where_as_many_are_refused_as_answered():
    present, absent = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.5, 1.5, 0.7])
    assert balanced_error(present, absent) == 0.25
    assert balanced_error(present + 9, absent) == 0.0
    assert balanced_error(absent, present + 9) == 1.0


def test_the_best_of_several_right_answers_counts():
    fit = np.array([[3.0, 1.0], [2.0, 0.0], [1.0, 5.0]])
    right = np.array([[False, True], [True, False], [True, False]])
    assert mean_reciprocal_rank(fit, right) == 0.5  # second in both columns


def _descriptions(count):
    names = ["dog", "rain", "bell", "siren", "wind"]
    return [SceneDescription(Relation.SINGLE, (names[i % 5],)) for i in range(count)]


def test_scenes_that_share_a_sound_are_related():
    pair = SceneDescription(Relation.SEQUENCE, ("dog", "rain"))
    over = SceneDescription(Relation.SINGLE, ("bell",), background="dog")
    flags = unrelated([pair, over, *_descriptions(3)])
    assert not flags[0, 1]
    assert flags[0, 4]
    assert not flags[1, 2]
    assert (flags == flags.T).all()


def _fitted():
    rng = np.random.default_rng(1)
    what = _descriptions(100)
    same = ~unrelated(what)
    lift = np.where(same, 1.0, -0.5) + 0.2 * rng.standard_normal((100, 100))
    cosine = np.where(same, 0.6, 0.0) + 0.1 * rng.standard_normal((100, 100))
    return calibrate({"scenes": scene_trials(_trials(lift, cosine, same, same).scores, what)})


def test_calibration_parts_matches_from_others():
    fitted = _fitted()
    assert fitted.score.lift > 0
    assert fitted.score.joint > 0
    assert 0 < fitted.score.min_score < 1
    assert fitted.present_refused < 0.05
    assert fitted.absent_answered < 0.05


def test_the_curves_tell_why_the_score_is_as_it_is():
    fitted = _fitted()
    refused = [one.present_refused for one in fitted.thresholds]
    answered = [one.absent_answered for one in fitted.thresholds]
    assert refused == sorted(refused)
    assert answered == sorted(answered, reverse=True)
    chosen = fitted.thresholds[round(100 * fitted.score.min_score) - 1]
    assert chosen.min_score == fitted.score.min_score
    assert (chosen.present_refused, chosen.absent_answered) == (
        fitted.present_refused,
        fitted.absent_answered,
    )
    worst = [max(pair) for pair in zip(refused, answered, strict=True)]
    assert max(chosen.present_refused, chosen.absent_answered) == min(worst)
    merits = [mix.reciprocal_rank["scenes"] - mix.balanced_error["scenes"] for mix in fitted.mixes]
    good = [
        mix
        for mix, merit in zip(fitted.mixes, merits, strict=True)
        if merit >= max(merits) - AS_GOOD
    ]
    best = max(good, key=lambda mix: (mix.joint, mix.words_power))
    assert best.words_power == fitted.score.words_power
    assert best.joint * fitted.score.lift == pytest.approx(fitted.score.joint, abs=1e-3)


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    fitted = _fitted()
    write_calibration(fitted, tmp_path / "calibration.json")
    assert read_calibration(tmp_path / "calibration.json") == fitted


def test_what_was_never_calibrated_is_told(tmp_path):
    with pytest.raises(AudiosearchError, match="not calibrated"):
        read_calibration(tmp_path / "calibration.json")


def test_recall_counts_ties_against_the_answer():
    fit = np.array([[3.0, 1.0], [3.0, 2.0]], np.float32)
    assert recall(fit, 1) == 0.5  # the first column is tied
    assert recall(fit, 2) == 1.0


def test_scaling_solves_the_papers_example():
    # Labbé et al. 2023, table 3: without scaling every sound is answered by the first caption.
    losses = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]], np.float32)
    assert losses.argmin(axis=1).tolist() == [0, 0, 0]
    assert scaled(losses).argmin(axis=1).tolist() == [0, 1, 2]
    assert losses.argmin(axis=0).tolist() == [0, 1, 2]


def test_order_is_right_when_the_own_scene_beats_its_twin():
    fit = np.array([[5.0, 4.0], [1.0, 3.0]], np.float32)
    assert order_accuracy(fit, np.array([1, 0])) == 0.5


def test_weak_matches_are_those_that_few_present_sounds_fall_below() -> None:
    curve = [ThresholdErrors(at / 10, at / 50, 1 - at / 10) for at in range(1, 10)]
    assert weak_threshold(curve, below=0.6).min_score == 0.2  # .02, .04, .06 refused
    assert weak_threshold(curve, below=0.1).min_score == 0.1
    refusing = [ThresholdErrors(at / 10, 0.3, 0.0) for at in range(1, 10)]
    assert weak_threshold(refusing, below=0.6).min_score == 0.1
