"""What a walk found against what the library knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.indexing.scan import ChangeKind, changes
from audiosearch.store.queries.files import FileRow, FileStat
from audiosearch.store.schema import FileState

paths = st.binary(min_size=1, max_size=4)
facts = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))


def known(file_id: int, path: bytes, fact: tuple[int, int, int], state: FileState) -> FileRow:
    return FileRow(file_id, path, *fact, state)


@given(
    st.dictionaries(paths, facts),
    st.dictionaries(paths, st.tuples(facts, st.sampled_from(FileState))),
)
def test_the_difference_is_that_of_two_dicts(
    disk: dict[bytes, tuple[int, int, int]],
    library: dict[bytes, tuple[tuple[int, int, int], FileState]],
) -> None:
    ids = {path: number for number, path in enumerate(library)}
    found = [FileStat(path, *fact) for path, fact in disk.items()]
    rows = [known(ids[path], path, fact, state) for path, (fact, state) in library.items()]

    kinds: dict[ChangeKind, set[bytes]] = {kind: set() for kind in ChangeKind}
    for kind, here, there in changes(sorted(found), sorted(rows, key=lambda row: row.path)):
        assert here is None or there is None or here.path == there.path
        either = here or there
        assert either is not None
        kinds[kind].add(either.path)

    assert kinds[ChangeKind.NEW] == disk.keys() - library.keys()
    both = disk.keys() & library.keys()
    changed = {path for path in both if disk[path] != library[path][0]}
    assert kinds[ChangeKind.CHANGED] == changed
    missing = {path for path, (_, state) in library.items() if state is FileState.MISSING}
    assert kinds[ChangeKind.RETURNED] == (both - changed) & missing
    assert kinds[ChangeKind.UNCHANGED] == both - changed - missing
    assert kinds[ChangeKind.GONE] == library.keys() - disk.keys() - missing


def test_lists_out_of_order_are_refused() -> None:
    found = [FileStat(b"b", 1, 1, 1), FileStat(b"a", 1, 1, 1)]
    with pytest.raises(ValueError, match="out of order"):
        list(changes(found, []))


@pytest.mark.parametrize("differing", ["size", "mtime_ns", "ctime_ns"])
def test_each_fact_counts(differing: str) -> None:
    found = FileStat(b"a", 1, 1, 1)._replace(**{differing: 2})
    row = known(1, b"a", (1, 1, 1), FileState.INDEXED)
    assert [each.kind for each in changes([found], [row])] == [ChangeKind.CHANGED]
