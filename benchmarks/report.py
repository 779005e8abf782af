"""What was found, as text for a terminal, as a table for the documentation, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison, Spread, Subject, ratios, spread

RESULTS = "results.json"

#: What was measured: the name of a subject -> what `measure.run` returns.
Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """A comparison with what was found; None where it was not measured."""

    comparison: Comparison
    ours: Spread | None = None
    theirs: Spread | None = None
    ratio: Spread | None = None


def rows(subject: Subject, results: Results) -> list[Row]:
    """Return the lines of a subject's table."""
    return [_row(comparison, results.get(subject.name)) for comparison in subject.comparisons]


def _row(comparison: Comparison, result: Mapping[str, Any] | None) -> Row:
    samples = result["samples"] if result else {}
    if not all(quantity in samples.get(name, {}) for name, quantity in comparison.sides):
        return Row(comparison)
    ours, theirs = (spread(samples[name][quantity]) for name, quantity in comparison.sides)
    return Row(comparison, ours, theirs, spread(ratios(samples, comparison)))


def load(directory: Path) -> dict[str, Any]:
    """Read the results that are kept in a directory; none where there are none yet."""
    path = directory / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def save(directory: Path, results: Results) -> None:
    """Write the results."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / RESULTS).write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


# --- words -----------------------------------------------------------------------------------


def value(found: Spread | None, unit: str) -> str:
    """Write median and quartiles, with one unit for all."""
    if found is None:
        return "not measured yet"
    low, median, high = map(_number, (found.low, found.median, found.high))
    return f"{median} {unit} ({low} to {high})"


def _number(number: float) -> str:
    """Write three significant digits, or more before the point; three places at most."""
    size = abs(number)
    return f"{number:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def ratio(found: Spread | None) -> str:
    """Write the ratio."""
    return "" if found is None else f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def verdict(row: Row) -> str:
    """Say what was aimed at, and whether it is reached."""
    comparison = row.comparison
    if comparison.aim is None:
        return ""
    aim = f"at {'least' if comparison.more_is_better else 'most'} {comparison.aim:g}"
    if row.ratio is None:
        return aim
    return f"{aim}: {'reached' if comparison.is_reached(row.ratio.median) else 'not reached'}"


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """Return a line of the table."""
    comparison = row.comparison
    this, beside = comparison.labels
    return (
        comparison.title,
        f"{this}: {value(row.ours, comparison.unit)}",
        f"{beside}: {value(row.theirs, comparison.unit)}",
        ratio(row.ratio),
        verdict(row),
    )


HEAD = ("What", "This", "Beside", "Ratio", "Aim")


def text(subjects: Sequence[Subject], results: Results) -> str:
    """Return the tables for a terminal."""
    table = [HEAD, *(cells(row) for subject in subjects for row in rows(subject, results))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines: list[str] = []

    def add(line: Sequence[str]) -> None:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    add(HEAD)
    for subject in subjects:
        lines += ["", f"{subject.title}{_rounds(results.get(subject.name))}"]
        for row in rows(subject, results):
            add(cells(row))
    return "\n".join([*lines, "", "Medians, and quartiles in parentheses. A ratio is that of one round.", ""])


def _rounds(result: Mapping[str, Any] | None) -> str:
    return f", {result['rounds']} rounds" if result else ""


def rst(subjects: Sequence[Subject], results: Results) -> str:
    """Return the tables for the documentation, and under which conditions they came about."""
    lines = [".. Made by python -m benchmarks. Not to be edited.", ""]
    for subject in subjects:
        if subject.name in results:
            lines += [*_table(subject.title, (30, 22, 22, 14, 12), [HEAD, *map(cells, rows(subject, results))]), ""]
        else:
            lines += [f"{subject.title}: not measured yet.", ""]
    measured = [(subject, results[subject.name]) for subject in subjects if subject.name in results]
    if measured:
        head = ("Subject", "When", "Rounds", "Load average at the start")
        found = [
            (subject.title, result["measured"], str(result["rounds"]), str(result["load"]))
            for subject, result in measured
        ]
        lines += [*_table("When, and how often", (40, 25, 10, 25), [head, *found]), ""]
        for key, label in (("machine", "Machine"), ("versions", "Versions")):
            lines += [f"{label}: {each}." for each in _distinct(result[key] for _, result in measured)] + [""]
    return "\n".join(lines)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _table(title: str, widths: Sequence[int], table: Sequence[Sequence[str]]) -> list[str]:
    lines = [f".. list-table:: {title}", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for line in table:
        for number, cell in enumerate(line):
            lines.append(f"   {' ' if number else '*'} - {cell}".rstrip())
    return lines
