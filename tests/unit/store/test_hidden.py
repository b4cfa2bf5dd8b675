"""Whether some recording has no file that is there, as asked before each question."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from audiosearch.store.queries.scope import _HIDDEN
from audiosearch.store.schema import FileState

FILES = st.lists(
    st.tuples(st.none() | st.integers(1, 5), st.sampled_from([str(each) for each in FileState])),
    max_size=8,
)


@given(recordings=st.sets(st.integers(1, 5)), files=FILES)
def test_it_is_found_by_counts_as_it_would_be_file_by_file(recordings, files):
    files = [(recording, state) for recording, state in files if recording in {None, *recordings}]
    there = {recording for recording, state in files if state in ("indexed", "pending")}
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE recording (id INTEGER PRIMARY KEY)")
        database.execute("CREATE TABLE sound_file (recording_id INTEGER, state TEXT)")
        database.executemany("INSERT INTO recording VALUES (?)", [(each,) for each in recordings])
        database.executemany("INSERT INTO sound_file VALUES (?, ?)", files)
        found = database.execute(_HIDDEN).fetchall()
    assert bool(found) is bool(recordings - there)
    database.close()
