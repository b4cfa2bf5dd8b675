"""Vectors in a column: blobs in SQLite, pgvector's `halfvec` in PostgreSQL; the same bits in both.

See https://github.com/pgvector/pgvector#half-precision-vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, LargeBinary, func, type_coerce
from sqlalchemy.engine import Dialect
from sqlalchemy.types import UserDefinedType

_HEAD = 4  # bytes before the numbers in the form that pgvector sends: their count, and nothing


class HalfVector(UserDefinedType[bytes]):
    """A vector of float16; in Python the little-endian blob that `vectors.to_blob` makes."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The column's type; of any size, since each model has its own."""
        return "halfvec"

    def bind_processor(self, dialect: Dialect) -> Callable[[bytes | None], str | None]:
        """Blobs as the text that PostgreSQL reads."""
        return lambda blob: None if blob is None else halfvec_text(blob)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The binary form, which is read a hundred times faster than numbers in decimals."""
        return type_coerce(func.halfvec_send(column), self)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[bytes | None], bytes | None]:
        """The binary form as a blob."""
        return lambda sent: None if sent is None else sent_blob(sent)


def halfvec_text(blob: bytes) -> str:
    """A blob as pgvector reads it; all digits are kept."""
    numbers = np.frombuffer(blob, "<f2").astype(np.float64)
    return f"[{','.join(map(repr, numbers.tolist()))}]"


def sent_blob(sent: bytes) -> bytes:
    """The blob of what `halfvec_send` gives."""
    return np.frombuffer(bytes(sent), ">f2", offset=_HEAD).astype("<f2").tobytes()


# What a column of vectors is declared with.
VECTOR = LargeBinary().with_variant(HalfVector(), "postgresql")
