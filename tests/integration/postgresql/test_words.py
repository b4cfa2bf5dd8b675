"""Full text on a server against SQLite's: which texts match, in which order, by which scores."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audiosearch.config import StoreConfig
from audiosearch.store.database import Database, open_database
from audiosearch.store.dialects import full_text
from audiosearch.store.full_text import COLUMNS, Match, TextKind
from tests.postgres_server import PostgresServer

# Stems that are other words, words that others begin with, letters with accents and none.
WORDS = ("dog", "dogs", "bark", "barking", "café", "cafe", "wav", "r", "b", "120bpm", "犬", "ß")
TEXT = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
FILE = st.tuples(*(TEXT for _ in COLUMNS[TextKind.FILE]))
PART = st.sampled_from(WORDS)
WORD = st.tuples(PART, st.lists(PART, max_size=3).map(tuple))
MATCH = st.builds(Match, st.lists(WORD, min_size=1, max_size=12).map(tuple), st.booleans())


def ranked(database: Database, files: list[tuple[str, ...]], matches: list[Match]) -> list[object]:
    """What each match finds among these files and, as captions, their metadata."""
    with database.session() as session:
        texts = full_text(session)
        texts.empty()
        rows = [
            {"id": n, **dict(zip(COLUMNS[TextKind.FILE], each, strict=True))}
            for n, each in enumerate(files, start=1)
        ]
        texts.add(TextKind.FILE, rows)
        captions = [{"id": row["id"], "text": row["metadata"]} for row in rows]
        texts.add(TextKind.CAPTION, captions)
        found: list[object] = [
            list(texts.ranked(kind, match)) for match in matches for kind in TextKind
        ]
        texts.remove(TextKind.FILE, [1, 3])
        found += [list(texts.ranked(TextKind.FILE, match)) for match in matches]
        texts.empty()
    return found


def test_texts_are_ranked_as_in_sqlite(server: PostgresServer, tmp_path: Path) -> None:
    store = StoreConfig(url=server.url(server.new_database()))
    with (
        open_database(tmp_path / "one" / "library.sqlite3") as one,
        open_database(tmp_path / "other" / "library.sqlite3", store=store) as other,
    ):
        # Once, two to five times, in names and in comments, and as often as is counted.
        often = [
            tuple(" ".join(["dog"] * n) for n in counts)
            for counts in (
                *((n, 0, 0, 0, 0) for n in (1, 2, 3, 4, 5, 5000)),
                *((1, 1, 0, 0, 0), (2, 1, 1, 0, 0), (1, 0, 0, 1, 0), (2, 2, 1, 0, 0)),
                *((0, 0, 0, 1, 0), (0, 0, 0, 1, 1), (0, 0, 0, 4, 0), (0, 0, 1, 0, 2)),
            )
        ]

        @settings(
            max_examples=60,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(
            files=st.lists(FILE, min_size=1, max_size=12),
            matches=st.lists(MATCH, min_size=1, max_size=4),
        )
        @example(files=often, matches=[Match((("dog", ()),)), Match((("dogs", ("wav", "r")),))])
        def same(files: list[tuple[str, ...]], matches: list[Match]) -> None:
            assert ranked(other, files, matches) == ranked(one, files, matches)

        same()
