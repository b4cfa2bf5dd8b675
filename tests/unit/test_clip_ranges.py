"""Stretches as a program gives them."""

from __future__ import annotations

import math

import pytest

from audiosearch.api.clips import clip_range
from audiosearch.audio.clip import LONGEST_S, ClipRange
from audiosearch.errors import QueryError
from audiosearch.exchange.stretches import stretches_of


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [
        *((0.0, 1e305), (1e305, None), (0.0, math.inf), (math.nan, None), (0.0, math.nan)),
        *((2.0, 1.0), (-1.0, None), (0.0, 10**400), (10**400, None), (0.0, LONGEST_S * 1.001)),
    ],
)
def test_no_part_of_a_sound_is_refused(start_s: float, end_s: float | None) -> None:
    with pytest.raises(QueryError):
        clip_range("/a.wav", start_s=start_s, end_s=end_s, must_exist=False)
    row = {"path": "/a.wav", "start_s": start_s, "end_s": 1.0 if end_s is None else end_s}
    with pytest.raises(QueryError):
        stretches_of([row])


def test_the_longest_part_is_one() -> None:
    given = clip_range("/a.wav", start_s=0, end_s=LONGEST_S, must_exist=False)
    assert given == ClipRange(b"/a.wav", 0.0, LONGEST_S)
