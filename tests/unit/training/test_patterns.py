"""Patterns that say something else about time."""

from __future__ import annotations

import re

import numpy as np
import pytest

from audiosearch.training.text.captions import Relation, SceneDescription, write_pair
from audiosearch.training.text.patterns import (
    SEQUENCES,
    SHORT_SEQUENCES,
    THEN,
    TRIPLES,
    WHILE,
    joined,
    reordered,
    says_at_once,
)

LATER = re.compile(rf" ({'|'.join(THEN)}|and afterwards|and finally) ")


@pytest.mark.parametrize("pattern", [*SEQUENCES, *SHORT_SEQUENCES, *TRIPLES])
def test_two_neighbours_change_places_and_nothing_else(pattern):
    other = reordered(np.random.default_rng(0), pattern)
    assert other != pattern
    assert re.sub(r"[abc]\}", "}", other) == re.sub(r"[abc]\}", "}", pattern)
    assert sorted(re.findall(r"([abc])\}", other)) == sorted(re.findall(r"([abc])\}", pattern))


def test_a_row_of_three_is_reordered_at_either_place():
    made = {reordered(np.random.default_rng(seed), "{a} then {b} then {c}") for seed in range(20)}
    assert made == {"{b} then {a} then {c}", "{a} then {c} then {b}"}


def test_slots_keep_their_kinds_when_they_are_joined():
    made = {joined(np.random.default_rng(seed), "{na} while {b}", ("then",)) for seed in range(20)}
    assert made == {"{na} then {b}", "{b} then {na}"}


@pytest.mark.parametrize("seed", range(40))
def test_what_overlaps_is_wrongly_put_in_a_row(seed):
    rng = np.random.default_rng(seed)
    under = "rain" if seed % 2 else None
    caption, wrong = write_pair(rng, SceneDescription(Relation.TOGETHER, ("dog", "bell"), under))
    assert wrong is not None
    assert LATER.search(wrong)
    assert not LATER.search(caption)


def test_what_comes_in_a_row_is_wrongly_turned_round_or_put_at_once():
    names = ("dog", "bell")
    wrongs = []
    for seed in range(60):
        written = write_pair(
            np.random.default_rng(seed), SceneDescription(Relation.SEQUENCE, names)
        )
        assert written.wrong not in (None, written.caption)
        wrongs.append(written.wrong)
    at_once = np.mean([says_at_once(text) for text in wrongs])
    assert 0.3 < at_once < 0.7
    assert {word for word in WHILE if any(f" {word} " in text for text in wrongs)} == set(WHILE)


@pytest.mark.parametrize(
    "what",
    [
        SceneDescription(Relation.SINGLE, ("dog",)),
        SceneDescription(Relation.SINGLE, ("dog",), background="rain"),
        SceneDescription(Relation.REPEATED, ("gunshot",), count=2),
    ],
)
def test_one_sound_has_no_wrong_order(what):
    assert write_pair(np.random.default_rng(0), what).wrong is None
