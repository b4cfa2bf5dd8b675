"""The page: well-formed, self-contained, everything in it, nothing of the data run as markup."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import AudiosearchError
from audiosearch.evaluation.figures import svg, ticks
from audiosearch.evaluation.report import page, write_report
from audiosearch.evaluation.tables import (
    GridFigure,
    HistogramFigure,
    Line,
    LineFigure,
    Outcome,
    Spread,
    Table,
)

FIGURES = (
    LineFigure("Recall", "k", "recall", (Line("ce", (1, 2, 3), (0.1, 0.5, 0.9)),)),
    HistogramFigure("Losses", "nats", (0.0, 1.0, 2.0), (("own", (0.25, 0.75)), ("other", (1, 0)))),
    GridFigure("Confusion", "is", "taken for", ("dog", "<cat>"), ((3, 1), (0, 0))),
)
OUTCOME = Outcome(
    "retrieval",
    "Retrieval of <b>",
    (("model", "starter & co"),),
    (
        Table(
            "t", "T", ("score", "r1"), (("ce", 0.25), ("<script>x</script>", Spread(0.5, 0.1, 3)))
        ),
    ),
    FIGURES,
    ("a remark <i>",),
)


class Tags(HTMLParser):
    """Checks that every tag is closed, in order."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_alone():
    text = page(OUTCOME)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert {"table", "svg", "dl", "style"} <= tags.seen
    assert not {"script", "link", "img", "iframe", "i", "b"} & tags.seen
    assert not re.search(r"(src|href|url)\s*[=(]|https?:", text)
    assert "prefers-color-scheme: dark" in text
    for expected in ("0.250", "0.500 ± 0.100", "starter &amp; co", "a remark &lt;i&gt;"):
        assert expected in text


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_are_well_formed_svg(figure):
    root = ET.fromstring(svg(figure))
    assert root.tag == "svg"
    assert root.get("aria-label") == figure.title


def test_a_curve_ends_where_its_values_say():
    root = ET.fromstring(svg(FIGURES[0]))
    [curve] = root.iter("polyline")
    places = [tuple(map(float, each.split(","))) for each in curve.get("points").split()]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    heights = [-y for _, y in places]
    assert heights == sorted(heights)
    assert (places[1][1] - places[0][1]) / (places[2][1] - places[0][1]) == pytest.approx(0.5, 0.01)


def test_the_grid_has_a_shade_for_each_count_with_its_words():
    root = ET.fromstring(svg(FIGURES[2]))
    assert [title.text for title in root.iter("title")] == ["dog → dog: 3", "dog → <cat>: 1"]


@given(st.floats(-1000, 1000), st.floats(1e-3, 1000))
def test_ticks_lie_within_and_are_few(low: float, span: float):
    values = ticks(low, low + span)
    assert all(low - 1e-6 * span <= value <= low + span * (1 + 1e-6) for value in values)
    assert 1 <= len(values) <= 12
    assert values == sorted(values)


def test_the_page_is_written(tmp_path: Path):
    path = write_report(OUTCOME, tmp_path / "new" / "folder")
    assert path.read_text(encoding="utf-8") == page(OUTCOME)
    (tmp_path / "file").touch()
    with pytest.raises(AudiosearchError, match="cannot be written"):
        write_report(OUTCOME, tmp_path / "file")


def test_eight_curves_look_different():
    lines = tuple(Line(f"s{i}", (1.0, 2.0), (0.1, 0.2)) for i in range(8))
    drawing = svg(LineFigure("Recall", "k", "recall", lines))
    styles = re.findall(r'<polyline [^>]*style="([^"]*)"', drawing)
    assert len(set(styles)) == 8
    style = page(OUTCOME).split("</style>")[0]
    assert all(style.count(f"--c{i}:") == 2 for i in range(8))  # in light and dark


def test_few_points_are_marked_and_doubling_takes_equal_steps():
    line = Line("min-max", (16.0, 64.0, 256.0), (0.1, 0.2, 0.3))
    drawing = svg(LineFigure("R@1", "windows", "R@1", (line,), y_max=None, by_doubling=True))
    first, second, third = (float(x) for x in re.findall(r'<circle cx="([^"]*)"', drawing))
    assert second - first == pytest.approx(third - second, abs=0.2)
    assert [f">{n}</text>" in drawing for n in (16, 64, 256)] == [True] * 3
    alone = Line("min-max", (7.0,), (0.1,))
    assert "nan" not in svg(LineFigure("R@1", "w", "R@1", (alone,), by_doubling=True))
