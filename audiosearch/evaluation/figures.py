"""Figures as inline SVG: curves, histograms, a grid of counts. No script, no font, no network.

Colours are CSS variables, so that the page decides for light and dark; lines also differ by dashes,
for print and for eyes that see colours differently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from audiosearch.evaluation.tables import Figure, GridFigure, HistogramFigure, LineFigure

WIDTH, HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 12, 48
_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "4 4", "12 4", "3 2", "10 2 2 2 2 2")
N_COLOURS = len(_DASHES)
_FEW = 12  # points; so few are marked, since what lies between them was not measured


def svg(figure: Figure) -> str:
    """The SVG element of a figure."""
    if isinstance(figure, LineFigure):
        return _lines(figure)
    if isinstance(figure, HistogramFigure):
        return _histogram(figure)
    return _grid(figure)


class _Axes:
    """Maps values to places on the page; with `by_doubling` equal steps are equal factors."""

    def __init__(self, xs: Sequence[float], y_max: float, *, by_doubling: bool = False) -> None:
        self.x_low, self.x_high = min(xs), max(xs)
        if self.x_high == self.x_low:
            self.x_high += 1.0
        self.y_max = y_max if y_max > 0 else 1.0
        self.by_doubling = by_doubling
        self.x_ticks = sorted(set(xs)) if by_doubling else ticks(self.x_low, self.x_high)

    def x(self, value: float) -> float:
        if self.by_doubling:
            share = math.log(value / self.x_low) / math.log(self.x_high / self.x_low)
        else:
            share = (value - self.x_low) / (self.x_high - self.x_low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - value / self.y_max * (HEIGHT - _TOP - _BOTTOM)

    def frame(self, x_label: str, y_label: str) -> list[str]:
        """Grid, ticks and labels."""
        parts = []
        for value in ticks(0, self.y_max):
            y = self.y(value)
            parts.append(_line(_LEFT, y, WIDTH - _RIGHT, y, "grid"))
            parts.append(_text(_LEFT - 6, y + 4, f"{value:g}", "end"))
        parts += [
            _text(self.x(value), HEIGHT - _BOTTOM + 16, f"{value:g}", "middle")
            for value in self.x_ticks
        ]
        parts.append(_line(_LEFT, self.y(0), WIDTH - _RIGHT, self.y(0), "axis"))
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(_text(middle, HEIGHT - 10, x_label, "middle"))
        up = f'transform="rotate(-90 14 {HEIGHT / 2:g})"'
        parts.append(_text(14, HEIGHT / 2, y_label, "middle", up))
        return parts


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round values in `low` to `high`, about so many."""
    raw = (high - low) / about
    if not raw > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    values = [round(i * step, 10) for i in range(first, first + 2 * about + 2)]
    return [value for value in values if value <= high + 1e-9 * step]


def _lines(figure: LineFigure) -> str:
    xs = [x for line in figure.lines for x in line.xs]
    top = figure.y_max or max(y for line in figure.lines for y in line.ys)
    axes = _Axes(xs, top, by_doubling=figure.by_doubling)
    parts = axes.frame(figure.x_label, figure.y_label)
    for number, line in enumerate(figure.lines):
        points = [
            (f"{axes.x(x):.1f}", f"{axes.y(y):.1f}") for x, y in zip(line.xs, line.ys, strict=True)
        ]
        places = " ".join(f"{x},{y}" for x, y in points)
        style = _stroke(number)
        parts.append(f'<polyline points="{places}" class="curve" style="{style}"/>')
        if len(points) <= _FEW:
            parts += [
                f'<circle cx="{x}" cy="{y}" r="3" style="fill:var(--c{number % N_COLOURS})"/>'
                for x, y in points
            ]
        parts += _key(number, line.name)
    return _element(figure.title, parts)


def _histogram(figure: HistogramFigure) -> str:
    top = max((max(shares, default=0.0) for _, shares in figure.series), default=1.0)
    axes = _Axes(figure.edges, top * 1.05)
    parts = axes.frame(figure.x_label, "share of pairs")
    for number, (name, shares) in enumerate(figure.series):
        places = [(figure.edges[0], 0.0)]
        for left, right, share in zip(figure.edges, figure.edges[1:], shares, strict=False):
            places += [(left, share), (right, share)]
        places.append((figure.edges[-1], 0.0))
        steps = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in places)
        style = f"{_stroke(number)};fill:var(--c{number % N_COLOURS});fill-opacity:0.2"
        parts.append(f'<polygon points="{steps}" class="bars" style="{style}"/>')
        parts += _key(number, name)
    return _element(figure.title, parts)


def _grid(figure: GridFigure) -> str:
    cell = 14
    margin = 12 + 7 * max((len(name) for name in figure.names), default=0)
    side = margin + cell * len(figure.names) + 8
    parts = []
    names = [name.replace("_", " ") for name in figure.names]
    for row, (name, values) in enumerate(zip(names, figure.values, strict=True)):
        y = margin + row * cell
        parts.append(_text(margin - 4, y + 11, name, "end"))
        turned = f'transform="rotate(-90 {margin + row * cell + 11} {margin - 4})"'
        parts.append(_text(margin + row * cell + 11, margin - 4, name, "start", turned))
        total = max(1, sum(values))
        for column, value in enumerate(values):
            if value:
                says = f"{name} → {names[column]}: {value}"
                parts.append(
                    f'<rect x="{margin + column * cell}" y="{y}" width="{cell - 1}" '
                    f'height="{cell - 1}" style="fill:var(--c0);'
                    f'fill-opacity:{0.15 + 0.85 * value / total:.2f}">'
                    f"<title>{escape(says)}</title></rect>"
                )
    parts.append(_text(4, 12, f"{figure.row_label} ↓  {figure.column_label} →", "start"))
    return _element(figure.title, parts, width=side, height=side)


def _element(
    title: str, parts: Sequence[str], *, width: float = WIDTH, height: float = HEIGHT
) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{escape(title, quote=True)}">\n{inside}\n</svg>'
    )


def _stroke(number: int) -> str:
    dashes = _DASHES[number % len(_DASHES)]
    return f"stroke:var(--c{number % N_COLOURS});stroke-dasharray:{dashes}"


def _key(number: int, name: str) -> list[str]:
    """The entry of a curve in the legend."""
    x, y = WIDTH - _RIGHT + 12, _TOP + 12 + 20 * number
    return [
        f'<line x1="{x}" y1="{y}" x2="{x + 26}" y2="{y}" class="curve" style="{_stroke(number)}"/>',
        _text(x + 32, y + 4, name, "start"),
    ]


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
