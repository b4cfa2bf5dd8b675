"""A library of many files is compared without being held in memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator

from audiosearch.indexing.scan import changes
from audiosearch.store.queries.files import FileRow, FileStat
from audiosearch.store.schema import FileState

N_FILES = 100_000
MEMORY = 1 << 20  # bytes: ten a file


def found() -> Iterator[FileStat]:
    """All files but every tenth, every seventh of them edited."""
    for number in range(N_FILES):
        if number % 10:
            yield FileStat(b"%08d.wav" % number, 100 + (number % 7 == 0), 1, 1)


def known() -> Iterator[FileRow]:
    for number in range(N_FILES):
        yield FileRow(number, b"%08d.wav" % number, 100, 1, 1, FileState.INDEXED)


def test_comparing_takes_no_memory_for_each_file() -> None:
    tracemalloc.start()
    try:
        kinds = Counter(change.kind.value for change in changes(found(), known()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    edited = sum(1 for number in range(N_FILES) if number % 10 and number % 7 == 0)
    gone = N_FILES // 10
    assert kinds == {"gone": gone, "changed": edited, "unchanged": N_FILES - gone - edited}
    assert peak < MEMORY
