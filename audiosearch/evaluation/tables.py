"""What an evaluation says: tables, figures and remarks, in a form that every output understands.

Column names of tables are a contract with users' scripts.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Spread:
    """A mean over `n` models, with the standard deviation between them (divisor n - 1)."""

    mean: float
    deviation: float
    n: int


Cell = str | int | float | Spread | None


@dataclass(frozen=True)
class Table:
    """Rows of equal length under named columns; `name` tells tables of one evaluation apart."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of table {self.name} does not fit its columns")


@dataclass(frozen=True)
class Line:
    """A curve."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True)
class LineFigure:
    """Curves over common axes.

    Attributes:
        y_max: of the axis; None fits the data.
        by_doubling: equal steps to the right are equal factors, as from 16 to 64 to 256.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    y_max: float | None = 1.0
    by_doubling: bool = False


@dataclass(frozen=True)
class HistogramFigure:
    """Shares of values in common bins: (name, share in each bin), `edges` one more than bins."""

    title: str
    x_label: str
    edges: tuple[float, ...]
    series: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True)
class GridFigure:
    """A table of counts shown as shades, such as which label was taken for which."""

    title: str
    row_label: str
    column_label: str
    names: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]


Figure = LineFigure | HistogramFigure | GridFigure


@dataclass(frozen=True)
class Outcome:
    """What one evaluation of one model (or several, averaged) found.

    Attributes:
        facts: what it was: name and value, such as the model and the number of clips.
        remarks: what a reader must know before believing the numbers.
    """

    name: str
    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...] = ()
    remarks: tuple[str, ...] = ()


def averaged(outcomes: Sequence[Outcome]) -> Outcome:
    """One outcome of several models on the same data: numbers become means with their spread.

    Facts and remarks that differ are listed side by side; figures are the first model's.

    Raises:
        ValueError: the tables are not of one shape.
    """
    first = outcomes[0]
    if len(outcomes) == 1:
        return first
    facts = tuple(
        (name, ", ".join(dict.fromkeys(dict(each.facts).get(name, "") for each in outcomes)))
        for name, _ in first.facts
    )
    remarks = dict.fromkeys(remark for each in outcomes for remark in each.remarks)
    tables = tuple(
        _averaged_table([each.tables[i] for each in outcomes]) for i in range(len(first.tables))
    )
    shown = "the figures below are those of the first model"
    return replace(first, facts=facts, tables=tables, remarks=(*remarks, shown))


def _averaged_table(tables: Sequence[Table]) -> Table:
    if len({(table.name, table.columns, len(table.rows)) for table in tables}) != 1:
        raise ValueError(f"tables {tables[0].name} of several models differ in shape")
    rows = tuple(
        tuple(_averaged_cell(cells) for cells in zip(*together, strict=True))
        for together in zip(*(table.rows for table in tables), strict=True)
    )
    return replace(tables[0], rows=rows)


def _averaged_cell(cells: Sequence[Cell]) -> Cell:
    """The mean of numbers; what is the same everywhere stays; names that differ are joined."""
    numbers = [cell for cell in cells if isinstance(cell, float)]
    if len(numbers) == len(cells):
        return Spread(statistics.fmean(numbers), statistics.stdev(numbers), len(numbers))
    if len(set(cells)) == 1:
        return cells[0]
    counts = [float(cell) for cell in cells if isinstance(cell, int)]
    if len(counts) == len(cells):
        return Spread(statistics.fmean(counts), statistics.stdev(counts), len(counts))
    return " / ".join(shown(cell) for cell in cells)


def shown(cell: Cell) -> str:
    """A cell for people: three decimals, nothing where there is nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, Spread):
        return f"{cell.mean:.3f} ± {cell.deviation:.3f}"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def json_rows(outcome: Outcome) -> Iterator[dict[str, object]]:
    """The rows of all tables as JSON objects, each with the table it belongs to.

    A mean over models also gives `<column>_sd` and `<column>_n`.
    """
    for table in outcome.tables:
        for row in table.rows:
            fields: dict[str, object] = {"evaluation": outcome.name, "table": table.name}
            for column, cell in zip(table.columns, row, strict=True):
                if isinstance(cell, Spread):
                    fields[column] = cell.mean
                    fields[f"{column}_sd"] = cell.deviation
                    fields[f"{column}_n"] = cell.n
                else:
                    fields[column] = cell
            yield fields
