"""The mixed folder that the score is fitted on."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.training.data.dataset import ManifestClip, Split
from audiosearch.training.library_trials import LibrarySizes, plan_library
from audiosearch.training.text.captions import PHRASES, sound_of

SIZES = LibrarySizes(others=4, texts=2, absent=5)


def _clip(label, split, number=0):
    name = f"{label}-{split}-{number}"
    return ManifestClip(f"{name}.ogg", label, "s", name, "", "", "", split)


LABELS = ("rain", "siren", "crow", "sneezing", "helicopter", "snoring")
CLIPS = [
    *(_clip(label, Split.TRAIN, number) for label in LABELS for number in range(3)),
    _clip("dog", Split.VALIDATION),
    _clip("siren", Split.VALIDATION),
    _clip("thunder", Split.VALIDATION),
    _clip("thunder", Split.BREADTH),
    _clip("dog", Split.TEST),
]


def test_the_folder_holds_what_is_held_out_among_one_of_each_other_kind():
    library = plan_library(CLIPS, sizes=SIZES, seed=1)
    assert [CLIPS[place].label for place in library.held_out] == ["dog", "siren", "thunder"]
    others = [CLIPS[place] for place in library.others]
    assert len({clip.label for clip in others}) == len(others) == 4
    assert {clip.split for clip in others} == {Split.TRAIN}
    assert plan_library(CLIPS, sizes=SIZES, seed=1) == library


def test_kinds_of_the_benchmark_are_not_asked_for():
    queries = plan_library(CLIPS, sizes=SIZES, seed=1).queries
    assert sound_of("thunder") not in {query.label for query in queries}
    assert {query.label for query in queries} <= set(PHRASES)
    assert {query.wording for query in queries} == {"usual", "name", "other"}
    by_kind = {}
    for query in queries:
        by_kind.setdefault((query.label, query.wording), set()).add(query.text)
    assert by_kind["dog", "usual"] == {"a dog barking"}  # as it is measured, in no stage's words
    assert by_kind["dog", "other"] == {"an angry canine", "canine"}
    assert len(by_kind["dog", "name"]) == 2
    rest = {label for label, _ in by_kind} - {"dog", "siren"}
    assert len(rest) == 5
    assert all(len(by_kind[label, "name"]) == 1 for label in rest)
