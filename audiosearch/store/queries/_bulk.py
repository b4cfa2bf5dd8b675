"""Bulk statements: lists cut to what one statement takes, and how many rows it met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import CursorResult

_SIZE = 500  # values in one `IN (...)`; SQLite once took 999 at most

Value = TypeVar("Value", int, bytes, str)


def chunks(values: Sequence[Value]) -> Iterable[Sequence[Value]]:
    """Parts small enough for one statement."""
    return (values[start : start + _SIZE] for start in range(0, len(values), _SIZE))


def n_rows(result: CursorResult[Any]) -> int:
    """How many rows a statement changed or deleted."""
    return max(result.rowcount, 0)
