"""An overview of a long sound, with plain descriptions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.search.results import CaptionFit, Description
from audiosearch.search.timeline import SentenceMeanings, alike, timeline, without_overlap


def fit(text: str, *, rank: int = 0, cross_entropy: float = 1.0, score: float = 0.5) -> CaptionFit:
    return CaptionFit(
        rank=rank,
        text=text,
        score=score,
        cross_entropy=cross_entropy,
        lift=1.0,
        scaled=None,
        source="model",
    )


def window(start_s: float, *captions: CaptionFit) -> Description:
    return Description(start_s=start_s, end_s=start_s + 10, captions=captions)


def test_like_neighbours_become_one_and_meet_halfway() -> None:
    found = list(
        timeline(
            [
                window(0, fit("a dog is barking", cross_entropy=2.0), fit("dogs", rank=1)),
                window(5, fit("the dog barks", cross_entropy=1.0), fit("dogs", rank=1)),
                window(10),
                window(15),
                window(20, fit("rain is falling")),
            ],
            limit=5,
        )
    )
    assert [(each.start_s, each.end_s) for each in found] == [(0, 12.5), (12.5, 22.5), (22.5, 30)]
    assert [each.captions[0].text for each in found if each.captions] == [
        "the dog barks",
        "rain is falling",
    ]
    assert [each.text for each in found[0].captions] == ["the dog barks", "dogs"]
    assert found[1].captions == ()


def test_what_sentences_are_alike() -> None:
    assert alike("a dog is barking", "the dogs barked")
    assert alike(None, None)
    assert not alike(None, "a dog barks")
    assert not alike("a dog barks", "a bell rings")
    assert not alike("the", "a")


@given(st.lists(st.floats(0.5, 12), max_size=12))
def test_nothing_overlaps_and_nothing_covered_is_lost(hops: list[float]) -> None:
    starts = list(itertools.accumulate(hops, initial=0.0))
    made = list(without_overlap(window(start_s) for start_s in starts))
    assert made[0].start_s == 0
    assert made[-1].end_s == starts[-1] + 10
    for one, following in itertools.pairwise(made):
        assert one.start_s <= one.end_s <= following.start_s
    covered = sum(each.end_s - each.start_s for each in made)
    gaps = sum(max(0.0, hop - 10) for hop in hops)
    assert abs(covered + gaps - (starts[-1] + 10)) < 1e-6


VECTORS = {
    "nothing is audible": (1.0, 0.0, 0.0),
    "no sound is audible": (0.9, 0.436, 0.0),
    "silence is heard": (0.8, 0.0, 0.6),
    "a dog barks": (0.0, 1.0, 0.0),
    "a puppy is yapping": (0.0, 0.9, 0.436),
}


def embed(sentences: Sequence[str]) -> np.ndarray:
    return np.array([VECTORS[each] for each in sentences], np.float32)


def test_neighbours_that_mean_the_same_in_other_words_become_one() -> None:
    said = [*list(VECTORS)[:3], *list(VECTORS)[3:], "nothing is audible"]
    windows = [window(5.0 * place, fit(each)) for place, each in enumerate(said)]
    numbered = list(SentenceMeanings(embed).numbered([*windows, window(30.0)]))
    assert [each.meaning for each in numbered] == [0, 0, 0, 1, 1, 0, None]
    assert [each.captions for each in numbered] == [each.captions for each in (*windows, window(0))]
    found = list(timeline(numbered, limit=0))
    assert [each.start_s for each in found] == [0.0, 17.5, 27.5, 32.5]
