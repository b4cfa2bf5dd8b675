"""What `benchmarks.postgresql` measured, kept beside it, and its table in docs/postgresql.md.

python -m benchmarks.store_figures FILE...      # keeps these figures, by number of windows
python -m benchmarks.store_figures --write      # puts the table into the page
python -m benchmarks.scaling_model --write      # what is reckoned from them
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks.made_pages import MadePart

KEPT = Path(__file__).with_name("store_figures.json")
PART = MadePart("postgresql.md", "store_figures.py")
FILTERS = ("no filter", "10 %", "1 %", "0.1 %")
WHERE = {"far": "a question far from all", "near": "near some"}

Figures = Mapping[str, Any]  # of one store


def read_figures() -> dict[int, dict[str, Figures]]:
    """By number of windows, ascending, and by store."""
    kept = json.loads(KEPT.read_text("utf-8"))
    return {int(n): kept[n] for n in sorted(kept, key=int)}


def keep(found: Mapping[str, Any]) -> None:
    """Keep what one run of the benchmark has found, in place of an earlier one of that size."""
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    kept[str(found["windows"])] = {
        name: _rounded(found[name]) for name in ("SQLite", "PostgreSQL") if name in found
    }
    in_order = {n: kept[n] for n in sorted(kept, key=int)}
    KEPT.write_text(json.dumps(in_order, indent=1) + "\n", "utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def table() -> str:
    """The table of the page, as Markdown."""
    figures = read_figures()
    columns = [(store, n) for store in ("SQLite", "PostgreSQL") for n in figures]
    head = " | ".join(f"{store}, {n:,}" for store, n in columns)
    lines = [f"| | {head} |", "|---|" + "---|" * len(columns)]

    def row(what: str, cells: list[str]) -> None:
        if any(cells):
            lines.append(f"| {what} | {' | '.join(cells)} |")

    def times(what: str, name: str) -> None:
        row(what, [_times(figures[n][store].get(name)) for store, n in columns])

    for where, told in WHERE.items():
        times(f"nearest 200, compared in memory, {told}", f"nearest, compared, no filter, {where}")
    for of in FILTERS:
        for where, told in WHERE.items():
            times(f"by the server, {of}, {told}", f"nearest, by the server, {of}, {where}")
    for of in FILTERS:
        times(f"words, {of}", f"words, {of}")
    for what, name, unit in (
        ("filled, processor time", "filled, processor s", "s"),
        ("index built, processor time", "index built, processor s", "s"),
        ("on disk without that index", "on disk without index, MB", "MB"),
    ):
        row(what, [_amount(figures[n][store].get(name), unit) for store, n in columns])
    sizes = [sum(figures[n][store].get("index, MB", {}).values()) or None for store, n in columns]
    row("that index", [_amount(size, "MB") for size in sizes])
    return "\n".join(lines)


def _times(found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    told = f"{_number(found['p50_ms'])}, {_number(found['p95_ms'])}"
    recall = found.get("recall@200")
    return told if recall is None else f"{told} ({_recall(recall)})"


def _recall(value: float) -> str:
    return "1" if value == 1 else f"{min(value, 0.9999):.4f}".rstrip("0").removeprefix("0")


def _amount(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_number(value)} {unit}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.2g}'):g}"


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--write", is_flag=True, help="Put the table into docs/postgresql.md.")
def main(files: tuple[Path, ...], write: bool) -> None:
    """Keep figures, and print the table."""
    for file in files:
        keep(json.loads(file.read_text("utf-8")))
    made = table()
    click.echo(made)
    if write:
        PART.write(made)


if __name__ == "__main__":
    main()
