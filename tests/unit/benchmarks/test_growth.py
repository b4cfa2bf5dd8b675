"""How it grows: the page and the chart are those of the figures, and what is drawn can be read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import growth_figures
from benchmarks.generated_sound import RATE, write_sound
from benchmarks.growth_figures import (
    CHART,
    HEARING,
    HEARING_ROOM,
    PART,
    QUESTIONS,
    ROOM,
    amount,
    drawn,
    keep_figures,
    made,
    read_figures,
    table,
)
from benchmarks.log_chart import APART, HEIGHT, WIDTH, Curve, Panel, chart


def test_the_page_holds_the_tables_and_the_chart_is_beside_it() -> None:
    assert PART.holds(made())
    assert CHART.read_text("utf-8") == drawn()


def test_figures_are_whole() -> None:
    kept = read_figures()
    for kind, rows in (("windows", (*QUESTIONS, *ROOM)), ("hours", (*HEARING, *HEARING_ROOM))):
        assert kept[kind]
        for figures in kept[kind].values():
            for row in rows:
                assert all(figures[row.name][measure] > 0 for measure in row.measures)


def test_what_nobody_measured_is_reckoned_and_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth_figures, "KEPT", tmp_path / "kept.json")
    row = growth_figures.Growing("x", "an x", "x", ("mb",), "the end")
    assert table("windows", (10,), [row]) == (
        "| | 10 windows | last grows by | runs into |\n|---|---|---|---|\n| an x |  |  | the end |"
    )
    for size, mb in ((100, 52.0), (10, 7.0)):
        keep_figures("windows", size, {"x": {"mb": mb}})
    keep_figures("hours", 1, {"x": {"mb": 1.23456}})
    kept = read_figures()
    assert list(kept["windows"]) == [10, 100]
    assert kept["hours"] == {1: {"x": {"mb": 1.235}}}
    assert amount(kept["windows"], 1000, "x", "mb") == pytest.approx(502.0)
    assert table("windows", (10, 100, 1000), [row]).endswith(
        "| an x | 7 | 52 | *502* | 7.4 | the end |"
    )
    keep_figures("windows", 100, {"x": {"mb": 6.0}})  # less, by chance
    assert amount(read_figures()["windows"], 1000, "x", "mb") == 6.0
    with pytest.raises(KeyError):
        amount(read_figures()["windows"], 50, "x", "mb")


def test_a_chart_names_its_lines_one_below_the_other() -> None:
    curves = [
        Curve(name, [(10, y), (100, 3 * y)], [(1000, 9 * y)])
        for name, y in (("a < b", 1.0), ("b", 1.01), ("c", 1.02), ("d", 0.1), ("e", 0.101))
    ]
    root = ET.fromstring(chart([Panel("It & that", "size", "ms", curves)] * 3, title="All"))
    texts = [each for each in root.iter() if each.tag.endswith("text")]
    names = [each for each in texts if each.get("class") == "name"]
    assert [each.text for each in names] == [each.name for each in curves] * 3
    heights = sorted(float(each.get("y", "")) for each in names[:5])
    assert all(gap >= APART - 0.11 for gap in np.diff(heights))
    assert 0 < heights[0] < heights[-1] < HEIGHT
    assert root.get("viewBox") == f"0 0 {2 * WIDTH} {2 * HEIGHT}"
    numbers = [float(x) for each in root.iter() for x in re.findall(r"[\d.]+", each.get("d", ""))]
    assert all(0 <= number <= WIDTH for number in numbers)


def test_a_sound_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sound(tmp_path / f"{name}.flac", hours=0.02, seed=seed)
    first, rate = soundfile.read(tmp_path / "a.flac")
    assert (rate, first.shape) == (RATE, (72 * RATE,))
    assert 0.01 < np.abs(first).max() < 1.0
    assert np.array_equal(first, soundfile.read(tmp_path / "b.flac")[0])
    assert not np.array_equal(first, soundfile.read(tmp_path / "c.flac")[0])
    assert not list(tmp_path.glob("*.part"))
