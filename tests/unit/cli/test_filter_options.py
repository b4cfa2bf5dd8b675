"""Every filter is an option, is told of in the manual, and means something."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from audiosearch.cli.filter_options import filter_options
from audiosearch.search.filter_fields import FILTER_FIELDS, FilterField
from audiosearch.search.filters import Filters

MANUAL = Path(__file__).parents[3] / "docs" / "searching.md"
GIVEN = {
    "--in": ("/a", (Path("/a"),)),
    "--not-in": ("b", (Path("b"),)),
    "--name": ("x y", ("x y",)),
    "--min-duration": ("1.5m", 90.0),
    "--max-duration": ("2h", 7200.0),
    "--rate": ("44.1k:", (44_100.0, None)),
    "--channels": ("stereo", (2.0, 2.0)),
    "--bit-depth": (":24", (None, 24.0)),
    "--loudness": ("-30:-16.5", (-30.0, -16.5)),
    "--peak": ("-1:", (-1.0, None)),
    "--since": ("1970-01-02T00:00+00:00", 86_400.0),
    "--tag": ("t", ("t",)),
    "--not-tag": ("u", ("u",)),
    "--rating": ("4:", (4.0, None)),
    "--favourite": (None, True),
    "--not-favourite": (None, False),
    "--collection": ("trailer", ("trailer",)),
    "--ucs": ("DOOR*", ("DOOR*",)),
    "--format": ("wav", ("wav",)),
    "--offline": (None, False),
    "--online": (None, True),
}


def flags(field: FilterField) -> list[str]:
    return [f"--{name}" for name in (field.name, field.opposite) if name]


def read(*arguments: str) -> Filters:
    """What a command with the options gets."""
    found: list[Filters] = []

    @click.command()
    @filter_options
    def command(filters: Filters) -> None:
        found.append(filters)

    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found[0]


def test_each_field_has_one_option_and_each_option_is_tried() -> None:
    fields = [field.name for field in dataclasses.fields(Filters)]
    assert sorted(each.field for each in FILTER_FIELDS) == sorted(fields)
    assert sorted(flag for each in FILTER_FIELDS for flag in flags(each)) == sorted(GIVEN)


@pytest.mark.parametrize("flag", GIVEN)
def test_an_option_fills_its_field_and_no_other(flag: str) -> None:
    text, value = GIVEN[flag]
    [field] = [each.field for each in FILTER_FIELDS if flag in flags(each)]
    expected: dict[str, Any] = {field: value}
    assert read(flag, *([] if text is None else [text])) == Filters(**expected)
    assert read() == Filters()


@pytest.mark.parametrize("flag", GIVEN)
def test_the_manual_tells_of_each_option(flag: str) -> None:
    assert re.search(f"`{flag}[ `]", MANUAL.read_text(encoding="utf-8"))
