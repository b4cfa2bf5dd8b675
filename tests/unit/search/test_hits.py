"""One hit a recording, and near-duplicates."""

import numpy as np

from audiosearch.search.hits import best_window_per_recording, deduplicate
from audiosearch.search.rerank import ScoredWindow
from audiosearch.store.queries.search import WindowSpan


def place(window_id: int, recording_id: int) -> WindowSpan:
    return WindowSpan(window_id, recording_id, 0.0, 1.0, 1.0)


def test_the_first_window_of_each_recording_stays() -> None:
    places = {i: place(i, recording) for i, recording in enumerate([7, 8, 7, 9, 8])}
    found = [ScoredWindow(window_id=i, score=1.0 - i / 10) for i in (2, 4, 0, 1, 3)]
    assert [each.window_id for each in best_window_per_recording(found, places)] == [2, 4, 3]


A, B, C = np.eye(3, dtype=np.float32)


def test_alike_rows_count_for_the_first() -> None:
    rows = np.stack([A, B, A * 3, C, B + 0.001, A])
    assert deduplicate(rows, above=0.99, limit=10) == {0: [2, 5], 1: [4], 3: []}


def test_alike_rows_behind_the_limit_still_count() -> None:
    rows = np.stack([A, B, C, A, B, A])
    assert deduplicate(rows, above=0.99, limit=2) == {0: [3, 5], 1: [4]}


def test_the_border_itself_is_not_alike() -> None:
    rows = np.stack([A, B])
    assert deduplicate(rows, above=0.0, limit=10) == {0: [], 1: []}


def test_zero_vectors_are_like_nothing() -> None:
    rows = np.zeros((3, 4), np.float32)
    assert deduplicate(rows, above=0.5, limit=10) == {0: [], 1: [], 2: []}
