"""Charts of what grows, on two logarithmic axes, as SVG that is read by day and by night."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 540, 380  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 62, 168, 46, 48  # around what is drawn
APART = 13  # pixels between names of lines
COLOURS = 5
_STYLE = """
  text { font: 11px system-ui, sans-serif; fill: #333 }
  .paper { fill: #fff }  /* its own: a page may be dark where the reader's system is not */
  .title { font-size: 14px; font-weight: 600 }
  .grid { stroke: #8886; stroke-width: .6 }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round }
  .reckoned { stroke-dasharray: 3 4 }
  .lead { stroke-width: .6; opacity: .7 }
  .c0 { --c: #1b6ca8 } .c1 { --c: #b3500f } .c2 { --c: #2d7a3a } .c3 { --c: #8a3fa0 }
  .c4 { --c: #7a6a00 }
  .line, .lead { stroke: var(--c) } .point { fill: var(--c) } .name { fill: var(--c) }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd }
    .paper { fill: #15191f }
    .c0 { --c: #6bb3ea } .c1 { --c: #f2a065 } .c2 { --c: #74c785 } .c3 { --c: #d394e6 }
    .c4 { --c: #d8c64a }
  }
"""


@dataclass(frozen=True)
class Curve:
    """What is measured at some sizes, and reckoned at others: pairs of size and amount."""

    name: str
    measured: Sequence[tuple[float, float]]
    reckoned: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Panel:
    """One chart: its title, what its axes tell, and its curves, five at most."""

    title: str
    across: str
    up: str
    curves: Sequence[Curve]


def chart(panels: Sequence[Panel], *, title: str, columns: int = 2) -> str:
    """The panels in rows of `columns`, as an SVG file."""
    rows = math.ceil(len(panels) / columns)
    width, height = columns * WIDTH, rows * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        parts.append(f'<g transform="translate({column * WIDTH} {row * HEIGHT})">')
        parts += _panel(panel)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axis:
    """Pixels of a logarithmic axis, from the power of ten below all values to the one above."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) - 1e-9), self.low + 1)
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._begin + share * (self._end - self._begin)

    @property
    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def _panel(panel: Panel) -> list[str]:
    points = [point for curve in panel.curves for point in (*curve.measured, *curve.reckoned)]
    across = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<text class="title" x="{LEFT}" y="18">{escape(panel.title)}</text>',
        f'<text x="{LEFT}" y="36">{escape(panel.up)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">'
        f"{escape(panel.across)}</text>",
    ]
    for tick in across.ticks:
        x = across(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        below = HEIGHT - BOTTOM + 16
        parts.append(f'<text x="{x:.1f}" y="{below}" text-anchor="middle">{_tick(tick)}</text>')
    for tick in up.ticks:
        y = up(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(tick)}</text>')
    ends = []
    for number, curve in enumerate(panel.curves):
        parts.append(f'<g class="c{number % COLOURS}">')
        parts += _drawn(curve, across, up)
        parts.append("</g>")
        ends.append(up((*curve.measured, *curve.reckoned)[-1][1]))
    right = WIDTH - RIGHT
    for number, (curve, end, at) in enumerate(zip(panel.curves, ends, _apart(ends), strict=True)):
        last = across((*curve.measured, *curve.reckoned)[-1][0])
        parts.append(
            f'<g class="c{number % COLOURS}"><path class="lead"'
            f' d="M{last + 4:.1f} {end:.1f}L{right + 10} {at:.1f}"/>'
            f'<text class="name" x="{right + 13}" y="{at + 4:.1f}">{escape(curve.name)}</text></g>'
        )
    return parts


def _drawn(curve: Curve, across: _Axis, up: _Axis) -> list[str]:
    """A line through what is measured with a point at each, and on, broken, to what is reckoned."""
    measured = [(across(x), up(y)) for x, y in curve.measured]
    reckoned = [*measured[-1:], *((across(x), up(y)) for x, y in curve.reckoned)]
    parts = [f'<path class="line" d="{_path(measured)}"/>'] if measured else []
    if curve.reckoned:
        parts.append(f'<path class="line reckoned" d="{_path(reckoned)}"/>')
    return parts + [f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in measured]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _apart(ends: Sequence[float]) -> list[float]:
    """Heights for the names of lines that end at these, in their order, none upon another."""
    order = sorted(range(len(ends)), key=lambda number: ends[number])
    found = list(ends)
    for before, after in pairwise(order):
        found[after] = max(found[after], found[before] + APART)
    lowest = float(HEIGHT - BOTTOM)
    for number in reversed(order):
        found[number] = min(found[number], lowest)
        lowest = found[number] - APART
    return found


def _tick(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"
