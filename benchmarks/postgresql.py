"""The store's share of a question in SQLite and PostgreSQL: nearest windows, words, filters.

    python -m benchmarks.postgresql --windows 100000 [--json FILE]

A server is started in a temporary folder, as tests do. Vectors are drawn, not heard; what the
decoder takes for a question is the same in both and not measured here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

from audiosearch.config import StoreConfig
from audiosearch.store.database import Database, open_database
from audiosearch.store.postgresql.nearest import ensure_indices, nearest_windows
from audiosearch.store.queries import fulltext
from audiosearch.store.vector_cache import VectorKind, load_vectors
from tests.postgres_server import find_programs, running_server
from tests.stored_vectors import FINGERPRINT, fill, vectors

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


def measure(database: Database, bundle_id: int, n: int, queries: np.ndarray) -> dict[str, Any]:
    """All figures of one database."""
    figures: dict[str, Any] = {}
    with database.reading() as session:
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
        for name, share in FILTERS.items():
            ids = np.sort(draw.choice(table.ids, round(n * share), replace=False))
            allowed = None if share == 1 else ids
            compare = partial(table.top_k, k=K, allowed=allowed)
            exact, best = timed(compare, list(queries))
            figures[f"nearest, compared, {name}"] = exact
            if database.exact_below is not None:
                by_index, found = timed(
                    partial(
                        nearest_windows,
                        session,
                        column="joint",
                        bundle_id=bundle_id,
                        limit=K,
                        n_windows=n,
                        allowed=allowed,
                    ),
                    list(queries),
                )
                shares = [
                    len(set(one) & set(other.tolist())) / len(other)
                    for one, (other, _) in zip(found, best, strict=True)
                ]
                recall = float(np.mean(shares))
                figures[f"nearest, by the server, {name}"] = {**by_index, "recall@200": recall}
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


def main() -> None:
    """Fill both, measure both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    n = arguments.windows
    joints, queries = vectors(n, DIM), vectors(arguments.queries, DIM, seed=1)
    programs = find_programs()
    assert programs is not None, "no PostgreSQL with pgvector"
    figures: dict[str, Any] = {"windows": n, "dim": DIM}
    with tempfile.TemporaryDirectory() as place, running_server(programs) as server:
        stores = {
            "SQLite": StoreConfig(),
            "PostgreSQL": StoreConfig(url=server.url(server.new_database()), exact_below=0),
        }
        for name, store in stores.items():
            with open_database(Path(place) / name / "library.sqlite3", store=store) as database:
                started = time.perf_counter()
                bundle_id = fill(database, joints, texts=True)
                own: dict[str, Any] = {"filled, s": time.perf_counter() - started}
                if store.url:
                    started = time.perf_counter()
                    with database.session() as session:
                        made = ensure_indices(session, at_least=0)
                    own["index built, s"] = time.perf_counter() - started
                    with database.session() as session:
                        session.execute(text("ANALYZE"))
                        sizes = [
                            session.scalar(text(f"SELECT pg_relation_size('{each}')"))
                            for each in made
                        ]
                    own["index, MB"] = dict(zip(made, (s / 1e6 for s in sizes), strict=True))
                own["on disk, MB"] = database.size_bytes() / 1e6
                own |= measure(database, bundle_id, n, queries)
            figures[name] = own
            print(json.dumps({name: own}, indent=1), flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
