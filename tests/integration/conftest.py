"""What is collected here, and the library that most tests of indexing fill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from tests.indexing_fakes import DIMS

# Numbers of the authors' own code are compared by `make parity`, where that data is at hand. The
# same ways through the code are tried with small checkpoints of our own in
# tests/unit/training/test_import_published.py, test_published_beam.py and test_published_graph.py.
collect_ignore_glob = [] if os.environ.get("AUDIOSEARCH_PARITY") else ["test_parity*.py"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty library, open for writing; whatever a test does with it, it ends up sound."""
    with open_database(tmp_path / "data" / "library.sqlite3") as database:
        yield database
        assert verify(database, dims=DIMS) == []
