"""Rows as tables: CSV, JSON lines and Parquet, and vectors for numpy; all that a row tells.

Paths are the path's text; of one that is no text, `path_b64` has the bytes, as in `--json`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiosearch._typing import Floats, Ids
from audiosearch.errors import FeatureUnavailable, QueryError

if TYPE_CHECKING:
    from audiosearch.exchange.stretches import Row

_VECTOR = "vector"
_QUOTED = re.compile(r'[,"\r\n]|^\s|\s$')


def column_names(rows: Iterable[Row]) -> list[str]:
    """The names in all rows, in the order in which they first come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def csv_table(rows: Sequence[Row], *, header: bool = True) -> str:
    """A table with commas; a cell of several values is JSON, nothing is an empty cell."""
    names = column_names(rows)
    lines = [[_text(name) for name in names]] if header else []
    lines += [[_cell(row.get(name)) for name in names] for row in rows]
    return "".join(csv_line(line) for line in lines)


def csv_line(cells: Sequence[str]) -> str:
    """One line; cells with a comma, a quotation mark or any break are quoted.

    (Python's csv leaves a lone carriage return bare where lines end in a line feed, and readers
    end the line there.)
    """
    if list(cells) == [""]:
        return '""\n'
    return (
        ",".join(
            '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell for cell in cells
        )
        + "\n"
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(round(value, 6))
    if isinstance(value, (dict, list, tuple)):
        return _text(json.dumps(value, ensure_ascii=False, default=str))
    return _text(str(value))


def _text(text: str) -> str:
    """What UTF-8 can hold of a text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def json_lines(rows: Iterable[Row]) -> str:
    """One object a line, as `--json` prints them."""
    lines = (
        json.dumps(_tidy(row), ensure_ascii=False, allow_nan=False, default=str) for row in rows
    )
    return "".join(f"{_text(line)}\n" for line in lines)


def _tidy(row: Row) -> dict[str, object]:
    return {
        key: _finite(value) if isinstance(value, float) else value for key, value in row.items()
    }


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def save_parquet(rows: Sequence[Row], target: Path) -> None:
    """Write rows as a Parquet file, a column for each name; lists and objects stay what they are.

    Raises:
        FeatureUnavailable: pyarrow is not installed.
        QueryError: a column holds values of several kinds.
    """
    columns = {name: [row.get(name) for row in rows] for name in column_names(rows)}
    _save_columns(columns, target)


def save_vectors(
    target: Path, ids: Ids, matrix: Floats, columns: Mapping[str, Sequence[object]], *, about: str
) -> None:
    """Write vectors (n, D) with their windows' ids (n,) and columns (n,), as .npz or .parquet.

    An .npz holds plain arrays (no pickles): `ids`, `vectors`, the columns, and `about`.

    Raises:
        FeatureUnavailable: a Parquet file without pyarrow.
    """
    if target.name.removesuffix(".unfinished").lower().endswith(".parquet"):
        _save_columns({"window_id": ids.tolist(), **columns, _VECTOR: matrix}, target, about=about)
        return
    arrays: dict[str, Any] = {name: _array(values) for name, values in columns.items()}
    with target.open("xb") as file:
        np.savez(file, ids=ids, vectors=matrix, about=np.array(about), **arrays)


def _array(values: Sequence[object]) -> np.ndarray[Any, Any]:
    """A plain array: texts with "" for nothing, or numbers with NaN for it."""
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else _text(str(value)) for value in values])
    return np.array([math.nan if value is None else value for value in values], np.float64)


def _save_columns(columns: Mapping[str, object], target: Path, *, about: str | None = None) -> None:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise FeatureUnavailable(
            f"this needs the extra [parquet]: {error.name} is not installed",
            remedy="pip install 'audiosearch[parquet]'",
        ) from None
    arrays = {}
    for name, values in columns.items():
        try:
            if isinstance(values, np.ndarray):
                flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
                arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
            else:
                arrays[name] = pa.array([_plain(value) for value in values])  # type: ignore[attr-defined]
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            raise QueryError(
                f"values of several kinds under {name!r}, which no Parquet column holds",
                remedy="export csv or jsonl",
            ) from None
    table = pa.table(arrays)
    if about is not None:
        table = table.replace_schema_metadata({b"audiosearch": about.encode()})
    parquet.write_table(table, target)


def _plain(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Path):
        return _text(str(value))
    return value
