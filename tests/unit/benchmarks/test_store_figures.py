"""The table of docs/postgresql.md is that of the figures that are kept, which are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import store_figures
from benchmarks.store_figures import FILTERS, PART, WHERE, keep, read_figures, table


def test_the_page_holds_the_table() -> None:
    assert PART.holds(table())


def test_the_index_finds_what_comparing_all_finds() -> None:
    figures = read_figures()
    assert len(figures) >= 2
    for stores in figures.values():
        for of in FILTERS:
            for where in WHERE:
                found = stores["PostgreSQL"][f"nearest, by the server, {of}, {where}"]
                assert 0.9 < found["recall@200"] <= 1.0


def test_figures_are_kept_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_figures, "KEPT", tmp_path / "kept.json")
    words = {"words, no filter": {"p50_ms": 12.3456, "p95_ms": 123.123}}
    keep({"windows": 20, "dim": 4, "SQLite": words, "PostgreSQL": words})
    keep({"windows": 3, "SQLite": words, "PostgreSQL": words, "phases": {}})
    keep({"windows": 20, "SQLite": {"filled, processor s": 1231.23}, "PostgreSQL": {}})
    kept = store_figures.read_figures()
    assert list(kept) == [3, 20]
    assert kept[3]["SQLite"]["words, no filter"] == {"p50_ms": 12.35, "p95_ms": 123.1}
    made = store_figures.table()
    assert "| | SQLite, 3 | SQLite, 20 | PostgreSQL, 3 | PostgreSQL, 20 |" in made
    assert "| words, no filter | 12, 123 |  | 12, 123 |  |" in made
    assert "| filled, processor time |  | 1,230 s |  |  |" in made
