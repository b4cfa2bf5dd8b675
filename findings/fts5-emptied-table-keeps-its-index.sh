#!/bin/sh
# A table of SQLite's FTS5 from which all rows are deleted has a larger index than before: what is
# deleted is written beside it, and both stay when the table is filled again with the same rows,
# twice the size and more pieces to look a word up in, until somebody asks for 'optimize'. No error,
# no wrong answer: MATCH is only slower. So whoever fills a full text anew merges it at the end.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/fts5-emptied-table-keeps-its-index.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apsw==3.50.4.0
"$folder/venv/bin/python" - <<'PYTHON'
import random
import sys
import time

import apsw

N, AT_ONCE = 40_000, 500
dice = random.Random(1)
words = [f"w{number}" for number in range(400)]
texts = [" ".join(dice.choices(words, k=8)) for _ in range(N)]
database = apsw.Connection(":memory:")
database.execute("CREATE VIRTUAL TABLE t USING fts5(text)")


def fill():
    for first in range(0, N, AT_ONCE):
        rows = list(enumerate(texts))[first : first + AT_ONCE]
        with database:
            database.executemany("INSERT INTO t (rowid, text) VALUES (?, ?)", rows)


def state(name):
    (size,) = database.execute("SELECT sum(length(block)) FROM t_data").fetchone()
    (pieces,) = database.execute("SELECT count(DISTINCT segid) FROM t_idx").fetchone()
    began, found = time.process_time(), 0
    for word in words[:100]:
        query = "SELECT count(*) FROM t WHERE t MATCH ?"
        found += database.execute(query, (word,)).fetchone()[0]
    took_ms = 1000 * (time.process_time() - began)
    print(f"{name:13} {size:9,} bytes in {pieces:2} pieces", end="; ")
    print(f"100 words: {found:6,} found, {took_ms:.1f} ms")
    return size, found


print(f"SQLite {apsw.sqlite_lib_version()}, FTS5, {N:,} texts of 8 words")
fill()
filled = state("filled")
with database:
    database.execute("DELETE FROM t")
emptied = state("emptied")
fill()
again = state("filled again")
database.execute("INSERT INTO t (t) VALUES ('optimize')")
merged = state("optimized")
surprising = (
    emptied[0] > filled[0] * 1.3
    and emptied[1] == 0
    and again[0] > filled[0] * 1.7
    and merged[0] < filled[0] * 1.1
    and filled[1] == again[1] == merged[1]
)
print("as found: an emptied index is larger than the full one" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
