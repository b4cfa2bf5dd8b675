"""Remarks on answers, in the words of whoever asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audiosearch.errors import display_path
from audiosearch.search.answer_remarks import COMMANDS, HTTP, TOOLS, Advice, answer_remarks
from audiosearch.search.results import FindResult

NONE = FindResult(hits=(), exhaustive=False, n_windows=9, n_candidates=9, timings={})
RESULTS: list[dict[str, Any]] = [
    {"n_below_min_score": 3},
    {"moments": True, "n_unheard": 4},
    {"only_itself": True},
    {"unknown_tags": ("teaser",)},
    {"unheard": (b"/a/dog.wav",), "unknown_words": ("rex",), "n_with_unknown": 2},
]


def remarks(advice: Advice, fields: dict[str, Any]) -> list[str]:
    result = replace(NONE, **fields)
    return list(answer_remarks(result, filtered=False, shown_path=display_path, advice=advice))


@pytest.mark.parametrize("fields", RESULTS)
@pytest.mark.parametrize("advice", [HTTP, TOOLS])
def test_only_commands_are_told_of_options(advice: Advice, fields: dict[str, Any]) -> None:
    said, to_commands = " ".join(remarks(advice, fields)), " ".join(remarks(COMMANDS, fields))
    assert "--" not in said
    assert "audiosearch" not in said
    assert "--" in to_commands or "audiosearch" in to_commands


def test_advice_has_the_words_of_whoever_asked() -> None:
    assert remarks(HTTP, RESULTS[0]) == [
        "no good match; 3 weak ones left out (min-score=0 shows all)"
    ]
    assert remarks(HTTP, RESULTS[2]) == [
        "there is nothing but this sound itself (self=true shows it)"
    ]
    assert remarks(TOOLS, RESULTS[2]) == ["there is nothing but this sound itself"]
    assert "4 stretches not listened to (exhaustive=true listens to all)" in remarks(
        HTTP, RESULTS[1]
    )
