"""How evaluations are shown: tables on the terminal, JSON lines."""

from __future__ import annotations

import click

from audiosearch.cli.output import print_json
from audiosearch.evaluation.tables import Outcome, Table, json_rows, shown


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """The tables of an outcome, for people or as JSON lines; the first line says what it was."""
    if as_json:
        facts = {name.replace(" ", "_"): value for name, value in outcome.facts}
        row = {"evaluation": outcome.name, "table": "facts", **facts}
        print_json({**row, "remarks": list(outcome.remarks)})
        for fields in json_rows(outcome):
            print_json(fields)
        return
    click.echo(click.style(outcome.title, bold=True))
    for name, value in outcome.facts:
        click.echo(f"  {click.style(f'{name:<14}', dim=True)} {value}")
    for table in outcome.tables:
        click.echo(f"\n{click.style(table.title, bold=True)}")
        for line in table_lines(table):
            click.echo(line)
    for remark in outcome.remarks:
        click.echo(f"\n{click.style('!', fg='yellow')} {remark}")


def table_lines(table: Table) -> list[str]:
    """A table as aligned text: words to the left, numbers to the right."""
    if not table.rows:
        return ["  (nothing)"]
    cells = [[shown(cell) for cell in row] for row in table.rows]
    words = [all(isinstance(row[i], str) for row in table.rows) for i in range(len(table.columns))]
    widths = [
        max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(table.columns)
    ]

    def line(texts: list[str]) -> str:
        padded = (
            text.ljust(width) if word else text.rjust(width)
            for text, width, word in zip(texts, widths, words, strict=True)
        )
        return f"  {'  '.join(padded)}".rstrip()

    return [click.style(line(list(table.columns)), dim=True), *map(line, cells)]
