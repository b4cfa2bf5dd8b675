"""Databases that are opened thousands of times in a process, whose statements are compiled once.

SQLAlchemy keeps compiled statements with an engine, and each opening makes one: in histories of a
library, which is restarted at every turn, half of the time would go into that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from audiosearch.store import sqlite


@contextmanager
def statements_compiled_once() -> Iterator[None]:
    """Let all engines made meanwhile share the first one's dialect and its compiled statements.

    Connections, transactions and what is executed stay each engine's own.
    """
    make_engine = sqlite.make_engine
    first: Any = None

    def sharing(*arguments: Any, **options: Any) -> Any:
        nonlocal first
        engine: Any = make_engine(*arguments, **options)
        if first is None:
            first = engine
        engine.dialect = engine.pool._dialect = first.dialect
        engine._compiled_cache = first._compiled_cache
        return engine

    with patch.object(sqlite, "make_engine", sharing):
        yield
