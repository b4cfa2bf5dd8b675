"""What is taken for what, and strokes that are counted: the parts that hear nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes.render import SAMPLE_RATE
from benchmarks import confusions, counts
from benchmarks.confusions import GROUPS, Kind, kinds_of
from benchmarks.counts import STROKES, TIMES, Counted, asked_for, repeated


def test_no_label_of_a_group_is_of_two_kinds():
    for kinds in GROUPS.values():
        labels = [label for kind in kinds for label in kind.labels]
        assert len(set(labels)) == len(labels)
        assert len({kind.words for kind in kinds}) == len(kinds)


def test_a_clip_is_of_the_kind_that_has_its_label():
    kinds = (Kind("rain", frozenset({"rain", "drizzle"})), Kind("wind", frozenset({"gale"})))
    clips = [
        DatasetClip(name=label, path=Path(label), label=label)
        for label in ("gale", "dog", "drizzle")
    ]
    assert kinds_of(clips, kinds) == [1, None, 0]


def test_a_row_tells_what_a_kind_was_taken_for():
    kinds = [Kind(words, frozenset()) for words in ("rain", "wind", "fire", "steam")]
    made = list(confusions.lines(kinds, np.array([[2, 1, 3, 0], [0] * 4, [0, 0, 1, 0], [0] * 4])))
    assert made[2:] == ["| rain | 6 | 2 | fire 3, wind 1 |", "| fire | 1 | 1 | - |"]


def test_strokes_come_as_often_as_they_should():
    stroke = np.ones(1600, np.float32)
    for times in TIMES:
        sound = repeated(stroke, times)
        assert sound.sum() == times * 1600
        assert np.flatnonzero(np.diff(sound)).size == 2 * times
        assert len(sound) == pytest.approx(
            times * 1600 + ((times - 1) * counts.GAP_S + 2 * counts.MARGIN_S) * SAMPLE_RATE
        )


def test_every_number_is_asked_for_in_both_wordings():
    assert asked_for("door_knock") == [
        ("two knocks on a door", "three knocks on a door", "five knocks on a door"),
        (
            "someone knocks on a door twice",
            "someone knocks on a door three times",
            "someone knocks on a door five times",
        ),
    ]
    assert all(len(asked_for(label)) == 2 for label in STROKES)


def test_a_number_is_right_where_its_recording_scores_more():
    scores = np.zeros((3, 1, 3))
    scores[1, 0, 1] = 0.5  # three strokes, asked for three
    scores[2, 0, 1] = 0.7  # five strokes, asked for three
    found = [Counted("dog_bark", scores)]
    assert found[0].right(1, 0).tolist() == [True]
    assert found[0].right(1, 2).tolist() == [False]
    rows = counts.lines(found)
    assert "| three | two | 1.000 | 1 |" in rows
    assert "| three | five | 0.000 | 1 |" in rows
    assert "| two | five | 0.000 | 1 |" in rows  # a tie is not right
