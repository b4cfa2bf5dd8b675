"""The breadth benchmark: what is asked, and that sounds which nobody asks for stay in the way."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from audiosearch.training.data.dataset import ManifestClip, Split
from benchmarks.breadth import PARTS, BreadthQuery, read_queries, rows


def test_what_is_asked_is_sound():
    queries = read_queries()
    assert len(queries) >= 150
    texts = [text for query in queries for text in query.wordings]
    assert len(set(texts)) == len(texts)
    assert {query.part for query in queries} == set(PARTS)
    parts = {
        part: {label for query in queries if query.part == part for label in query.labels}
        for part in PARTS
    }
    assert not parts["known"] & parts["unseen"]
    assert len(parts["known"] | parts["unseen"]) >= 120
    for query in queries:
        usual, other = (set(text.split()) for text in query.wordings)
        assert usual != other


def test_rows_name_all_that_is_right():
    clips = [
        ManifestClip(f"{label}.ogg", label, "s", f"g-{label}", "", "", "", Split.TEST)
        for label in ("crow", "raven", "pop")
    ]
    birds = BreadthQuery("known", frozenset({"crow", "raven"}), ("cawing", "black bird"), ())
    found = [(row["path"], row["query"], row["wording"]) for row in rows(clips, [birds])]
    assert found == [
        ("crow.ogg", "cawing", "usual"),
        ("crow.ogg", "black bird", "other"),
        ("raven.ogg", "cawing", "usual"),
        ("raven.ogg", "black bird", "other"),
        ("pop.ogg", "", ""),
    ]
