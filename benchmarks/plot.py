"""Draws the ratios as an SVG picture, without a library, so that the same results always make the same file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.measure import Spread, Subject
from benchmarks.report import Results, Row, rows

WIDTH, LINE, TOP, BOTTOM = 900, 26, 46, 64
LEFT, RIGHT = 400, 800
SMALLEST, LARGEST = 0.025, 4.0
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 4)
BETTER, WORSE, SAME = "#1f6f8b", "#c2571a", "#707070"
INK, FAINT = "#222222", "#d9d9d9"


def svg(subjects: Sequence[Subject], results: Results) -> str:
    """Return the picture, without the subjects that were not measured."""
    lines: list[str] = []
    y = TOP
    for subject in subjects:
        measured = [row for row in rows(subject, results) if row.ratio]
        if not measured:
            continue
        y += LINE
        lines.append(_text(16, y, subject.title, weight="bold"))
        for row in measured:
            y += LINE
            lines += _line(row, y)
    if not lines:
        y += LINE
        lines.append(_text(16, y, "Not measured yet."))
    return "\n".join([*_frame(y), *lines, "</svg>", ""])


def _frame(bottom: float) -> list[str]:
    height = bottom + BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        'font-family="sans-serif" font-size="13">'
    )
    elements = [head, "<title>Ratios of the measurements</title>"]
    elements.append(f'<rect width="{WIDTH}" height="{height:g}" rx="6" fill="#ffffff"/>')
    for tick in TICKS:
        x = _x(tick)
        colour, width = (INK, 1.5) if tick == 1 else (FAINT, 1)
        elements.append(_path(x, TOP - 6, x, bottom + 12, colour, width))
        elements.append(_text(x, TOP - 14, f"{tick:g}", anchor="middle"))
    legend = "Ratio to the baseline (1: no difference). Dot: median; bar: quartiles; short black line: the aim."
    elements.append(_text(16, bottom + 38, legend, size=12))
    elements.append(
        _text(16, bottom + 54, "Blue: better. Orange: worse. Grey: the quartiles are on both sides of 1.", size=12)
    )
    return elements


def _line(row: Row, y: float) -> list[str]:
    """Draw one comparison: quartiles as a bar, the median as a dot, the aim as a short line."""
    assert row.ratio
    comparison, ratio = row.comparison, row.ratio
    colour = _colour(ratio, comparison.more_is_better)
    low, median, high = map(_x, (ratio.low, ratio.median, ratio.high))
    middle = y - 4
    position = f'x="{low:.1f}" y="{middle - 5:g}" width="{max(high - low, 1):.1f}" height="10" rx="3"'
    elements = [
        _text(LEFT - 10, y, comparison.title, anchor="end"),
        f'<rect {position} fill="{colour}" fill-opacity="0.35"/>',
        f'<circle cx="{median:.1f}" cy="{middle:g}" r="5" fill="{colour}"/>',
        _text(RIGHT + 12, y, f"{ratio.median:.2f}", colour=colour, weight="bold"),
    ]
    if comparison.aim is not None:
        x = _x(comparison.aim)
        elements.append(_path(x, middle - 10, x, middle + 10, INK, 2.5))
    return elements


def _colour(ratio: Spread, more_is_better: bool) -> str:
    if ratio.low <= 1 <= ratio.high:
        return SAME
    return BETTER if (ratio.median > 1) == more_is_better else WORSE


def _x(ratio: float) -> float:
    """Return the x coordinate of a ratio, on a logarithmic scale."""
    share = math.log(min(max(ratio, SMALLEST), LARGEST) / SMALLEST) / math.log(LARGEST / SMALLEST)
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _path(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="{colour}" stroke-width="{width:g}"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", size: int = 13, colour: str = INK
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
