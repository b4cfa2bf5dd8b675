"""Long recordings of events: where they lie, and which hits are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes.render import SAMPLE_RATE
from audiosearch.search.results import Hit
from benchmarks.long_scenes import (
    APART_S,
    FLOOR_DB,
    LONGEST_S,
    NOWHERE,
    REFUSED,
    Event,
    Placed,
    compose,
    judge,
    kind,
    plan,
    quiet_noise,
)

LABELS = ("dog", "bell", "cat", "man_speaking", "woman_speaking", "rain", "dog")
CLIPS = [
    DatasetClip(name=str(place), path=Path(f"{place}.wav"), label=label)
    for place, label in enumerate(LABELS)
]
RECORDINGS = {
    "a.wav": (Placed("dog", 20.0, 22.0), Placed("speech", 50.0, 55.0)),
    "b.wav": (Placed("bell", 100.0, 103.0),),
}


def hit(start_s, end_s):
    return Hit(
        rank=1,
        path=b"/x/a.wav",
        start_s=start_s,
        end_s=end_s,
        duration_s=600.0,
        recording_id=1,
        window_id=1,
    )


def rng(seed=0):
    return np.random.default_rng(seed)


def test_sounds_that_are_asked_for_alike_are_of_one_kind():
    assert kind("man_speaking") == kind("speech")
    assert kind("dog") != kind("cat")


def test_a_plan_has_other_kinds_far_from_each_other():
    for seed in range(20):
        events = plan(CLIPS, events=5, generator=rng(seed), length_s=120.0)
        assert len({kind(event.label) for event in events}) == 5
        assert all(CLIPS[event.clip].label == event.label for event in events)
        starts = [event.at_s for event in events]
        assert np.diff(starts).min() >= LONGEST_S + APART_S
        assert starts[0] >= 0
        assert starts[-1] + LONGEST_S <= 120.0
    assert plan(CLIPS, events=5, generator=rng(3), length_s=120.0) == plan(
        CLIPS, events=5, generator=rng(3), length_s=120.0
    )


def test_too_many_events_are_refused():
    with pytest.raises(DatasetError, match="as many kinds"):
        plan(CLIPS, events=6, generator=rng(), length_s=600.0)
    with pytest.raises(DatasetError, match="do not fit"):
        plan(CLIPS, events=5, generator=rng(), length_s=30.0)


def test_events_lie_where_it_is_said():
    tone = np.sin(np.arange(8 * SAMPLE_RATE)).astype(np.float32)
    short = np.pad(tone[:SAMPLE_RATE], SAMPLE_RATE)  # silence around it is not used
    events = (Event(0, "dog", 4.0, -20.0), Event(1, "bell", 20.0, -26.0))
    samples, placed = compose(events, {0: tone, 1: short}, generator=rng(), length_s=30.0)
    assert samples.shape == (30 * SAMPLE_RATE,)
    assert [each.label for each in placed] == ["dog", "bell"]
    assert (placed[0].start_s, placed[0].end_s) == (4.0, 4.0 + LONGEST_S)
    assert placed[1].end_s - placed[1].start_s == pytest.approx(1.0, abs=0.05)

    def level_db(start_s, end_s):
        part = samples[int(start_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)]
        return 10 * np.log10(np.mean(np.square(part, dtype=np.float64)))

    assert level_db(5, 8) == pytest.approx(-20.0, abs=0.5)
    assert level_db(12, 18) == pytest.approx(FLOOR_DB, abs=2.0)


def test_the_noise_is_quiet_and_falls_with_frequency():
    noise = quiet_noise(4 * SAMPLE_RATE, rng())
    assert 20 * np.log10(noise.std()) == pytest.approx(FLOOR_DB, abs=0.1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    low, high = (power[(hz > a) & (hz < 2 * a)].mean() for a in (100.0, 3200.0))
    assert low > 8 * high


@pytest.mark.parametrize(
    ("label", "start_s", "end_s", "moment", "start", "where"),
    [
        ("dog", 15.0, 25.0, True, True, "dog"),
        ("dog", 12.0, 22.0, True, False, "dog"),
        ("dog", 30.0, 40.0, False, False, NOWHERE),
        ("dog", 48.0, 58.0, False, False, "speech"),
        ("man_speaking", 48.0, 58.0, True, True, "speech"),  # asked for alike
    ],
)
def test_a_hit_is_right_near_its_event(label, start_s, end_s, moment, start, where):
    answer = judge(label, hit(start_s, end_s), RECORDINGS, name="a.wav")
    assert (answer.moment, answer.start, answer.where) == (moment, start, where)


def test_no_hit_and_another_recording():
    assert judge("dog", None, RECORDINGS, name="a.wav").where == REFUSED
    elsewhere = judge("dog", hit(95.0, 105.0), RECORDINGS, name="b.wav")
    assert (elsewhere.moment, elsewhere.where) == (False, "bell")
    assert judge("bell", hit(95.0, 105.0), RECORDINGS, name="b.wav").moment
