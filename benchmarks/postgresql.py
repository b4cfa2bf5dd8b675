"""The store's share of a question in SQLite and PostgreSQL: nearest windows, words, filters.

    python -m benchmarks.postgresql --windows 100000 [--json FILE] [--place FOLDER]

A server is started, as tests do; what is done is kept in the FOLDER, so that the same command goes
on after an interruption. Vectors are drawn, not heard. The decoder's share is the same in both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select, text

from audiosearch.config import StoreConfig
from audiosearch.store.database import Database, open_database
from audiosearch.store.postgresql.nearest import ensure_indices, nearest_windows
from audiosearch.store.queries import fulltext
from audiosearch.store.schema import BundleRow
from audiosearch.store.vector_cache import VectorKind, load_vectors
from audiosearch.store.vectors import VectorTable
from tests.postgres_server import PostgresServer, find_programs, made_server
from tests.stored_vectors import FINGERPRINT, fill, vectors

# As an administrator sets a machine of its own up, of a quarter of its memory; notices tell
# whether an index was built in memory.
SETTINGS = "shared_buffers = 2GB\nmax_wal_size = 2GB\nlog_min_messages = notice\n"
DIM, K = 256, 200
FILTERS = {"no filter": 1.0, "10 %": 0.1, "1 %": 0.01, "0.1 %": 0.001}
WORDS = ("dog", "rain bell", "a dog and a door", "metal water", "voice 0000123")


def timed(action: Callable[[Any], Any], arguments: list[Any]) -> tuple[dict[str, float], list[Any]]:
    """Milliseconds of each call, and what they gave."""
    times, found = [], []
    for each in arguments:
        started = time.perf_counter()
        found.append(action(each))
        times.append(1000 * (time.perf_counter() - started))
    return {"p50_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95))}, found


def measure(database: Database, n: int, n_queries: int) -> dict[str, Any]:
    """Times of questions in one database, and the recall of the server's index."""
    figures: dict[str, Any] = {"on disk, MB": database.size_bytes() / 1e6}
    with database.reading() as session:
        bundle_id = session.scalar(select(BundleRow.id))
        assert bundle_id is not None
        started = time.perf_counter()
        table = load_vectors(
            session,
            bundle_id=bundle_id,
            fingerprint=FINGERPRINT,
            kind=VectorKind.JOINT,
            cache_dir=database.vectors_dir,
        )
        figures["vectors loaded, s"] = time.perf_counter() - started
        draw = np.random.default_rng(2)
        asked = {"far": vectors(n_queries, DIM, seed=1), "near": near(table, n_queries, draw)}
        for (name, share), (where, queries) in product(FILTERS.items(), asked.items()):
            ids = np.sort(draw.choice(table.ids, round(n * share), replace=False))
            allowed = None if share == 1 else ids
            compare = partial(table.top_k, k=K, allowed=allowed)
            exact, best = timed(compare, list(queries))
            figures[f"nearest, compared, {name}, {where}"] = exact
            if database.exact_below is not None:
                ask = partial(
                    nearest_windows,
                    session,
                    column="joint",
                    bundle_id=bundle_id,
                    limit=K,
                    n_windows=n,
                    allowed=allowed,
                )
                by_index, found = timed(ask, list(queries))
                shares = [
                    len(set(one) & set(other.tolist())) / len(other)
                    for one, (other, _) in zip(found, best, strict=True)
                ]
                recall = float(np.mean(shares))
                figures[f"nearest, by the server, {name}, {where}"] = {
                    **by_index,
                    "recall@200": recall,
                    "worst recall@200": min(shares),
                }
    for name, share in FILTERS.items():
        allowed = None if share == 1 else np.sort(table.ids[:: round(1 / share)])

        def by_words(words: str, allowed: Any = allowed) -> Any:
            with database.reading() as session:  # a question's own transaction
                return fulltext.search_windows(
                    session,
                    fulltext.telling_words(words),
                    bundle_id=bundle_id,
                    limit=4 * K,
                    allowed=allowed,
                )

        figures[f"words, {name}"] = timed(by_words, list(WORDS) * 4)[0]
    return figures


def near(table: VectorTable, n: int, draw: np.random.Generator) -> np.ndarray:
    """(n, D) vectors that are each like some window's, as a question's is whose sound is there."""
    chosen = np.asarray(table.matrix[np.sort(draw.choice(len(table.ids), n, replace=False))])
    units = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    noise = draw.normal(size=units.shape) / np.sqrt(units.shape[1])
    found: np.ndarray = (units + 0.5 * noise).astype(np.float32)
    return found


def main() -> None:
    """Fill both, measure both, print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--place", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audiosearch-bench-") as temporary:
        place = arguments.place or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        figures = figures_of(place, n=arguments.windows, n_queries=arguments.queries)
    print(json.dumps(figures, indent=1))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def figures_of(place: Path, *, n: int, n_queries: int) -> dict[str, Any]:
    """All figures; each phase that is done is kept in `place`, and not done again."""
    kept = place / "figures.json"
    figures: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    figures |= {"windows": n, "dim": DIM}

    def phase(store: str, name: str, action: Callable[[], dict[str, Any]]) -> None:
        done = figures.setdefault(store, {})
        if name in figures.setdefault("phases", {}).get(store, []):
            return
        done |= action()
        figures["phases"].setdefault(store, []).append(name)
        kept.write_text(json.dumps(figures, indent=1) + "\n")
        print(json.dumps({store: done}, indent=1), flush=True)

    with kept_server(place) as server:
        stores = {"PostgreSQL": StoreConfig(url=server.url("bench"), exact_below=0)}
        for name, store in (*stores.items(), ("SQLite", StoreConfig())):
            path = place / name / "library.sqlite3"
            with open_database(path, store=store) as database:
                phase(name, "filled", partial(filled, database, server, n))
                if store.url:
                    phase(name, "built", partial(built, database, server))
                phase(name, "measured", partial(measure, database, n, n_queries))
    return figures


@contextmanager
def kept_server(place: Path) -> Iterator[PostgresServer]:
    """The server of an earlier call, or a new one, for as long as the block."""
    folder = place / "server"
    programs = find_programs()
    assert programs is not None, "no PostgreSQL with pgvector"
    if (folder / "made").exists():
        copied = folder / "programs" / "bin"
        server = PostgresServer(copied if copied.exists() else programs, folder)
        (folder / "data" / "postmaster.pid").unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for each in (place, *place.parents):  # the server's user is another one
            if each.stat().st_uid == os.geteuid() and not each.stat().st_mode & 0o001:
                each.chmod(each.stat().st_mode | 0o111)
        server = made_server(programs, folder, SETTINGS)
        server.start()
        server.execute("CREATE DATABASE bench")
        server.stop(mode="fast")
        (folder / "made").touch()
    server.start()
    try:
        yield server
    finally:
        server.stop(mode="fast")


def processor_s(server: PostgresServer) -> float:
    """Seconds of processor time that a server and all its processes have taken (Linux)."""
    main_pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == main_pid:
            ticks += sum(map(int, fields[11:15]))  # its own, and of children that have ended
        elif int(fields[1]) == main_pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def filled(database: Database, server: PostgresServer, n: int) -> dict[str, Any]:
    """The same windows in every database; seconds that this took, of both sides' processors too."""
    started, at_server, own = time.perf_counter(), processor_s(server), time.process_time()
    fill(database, vectors(n, DIM), texts=True)
    if database.exact_below is not None:
        server.execute("VACUUM ANALYZE", database="bench")
    return {
        "filled, s": time.perf_counter() - started,
        "filled, processor s": processor_s(server) - at_server + time.process_time() - own,
        "on disk without index, MB": database.size_bytes() / 1e6,
    }


def built(database: Database, server: PostgresServer) -> dict[str, Any]:
    """The index of vectors."""
    started, at_server = time.perf_counter(), processor_s(server)
    with database.session() as session:
        made = ensure_indices(session, at_least=0)
    took = {
        "index built, s": time.perf_counter() - started,
        "index built, processor s": processor_s(server) - at_server,
    }
    with database.session() as session:
        session.execute(text("ANALYZE"))
        sizes = [session.scalar(text(f"SELECT pg_relation_size('{each}')")) for each in made]
    return took | {
        "index, MB": dict(zip(made, (size / 1e6 for size in sizes), strict=True)),
        "on disk, MB": database.size_bytes() / 1e6,
    }


if __name__ == "__main__":
    main()
