"""Measures: contenders take turns in rounds, and each comparison is a ratio within one round.

Other load on the machine affects all contenders of a round alike, so the ratios are more reliable than the values.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from constraints import pins, read_pins
from recipe.common.servers import SERVERS
from support import TESTS

#: The recipe of this checkout, and the release with which it is compared.
NEW, OLD = "recipe", "9.1.0"

#: A function that reports the progress of a measurement.
Report = Callable[[str], None]

#: The result of one turn of a contender: the values by quantity.
Values = Mapping[str, float]
Contenders = Mapping[str, Callable[[], Values]]

#: All results: contender -> quantity -> a value for each round, in the order of the rounds.
Samples = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Bench:
    """The directory in which a subject builds its instances, and whether this run only tests the benchmark."""

    directory: Path
    quick: bool = False

    @property
    def seconds(self) -> int:
        """The seconds of load on a server in one turn."""
        return 1 if self.quick else 4


@dataclass(frozen=True)
class Comparison:
    """One line of the table: a quantity of one contender, as a ratio to that of another contender.

    `aim` is the target of the ratio: its maximum, or its minimum if `more_is_better`. If the turn of a contender
    measures both sides, the contender is its own baseline, with another quantity.
    """

    title: str
    quantity: str
    unit: str
    aim: float | None = None
    more_is_better: bool = False
    contender: str = NEW
    baseline: str = OLD
    baseline_quantity: str = ""

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The contender and its quantity, and the baseline and its quantity."""
        return (self.contender, self.quantity), (self.baseline, self.baseline_quantity or self.quantity)

    @property
    def labels(self) -> tuple[str, str]:
        """The names of the two sides in a report."""
        if self.baseline_quantity:
            return self.quantity, self.baseline_quantity
        return self.contender, self.baseline

    def is_reached(self, ratio: float) -> bool:
        """Return whether a ratio reaches the aim."""
        assert self.aim is not None
        return ratio >= self.aim if self.more_is_better else ratio <= self.aim


@dataclass(frozen=True)
class Subject:
    """A measurement. `open` builds the contenders, and keeps them running while they take turns."""

    name: str
    title: str
    comparisons: tuple[Comparison, ...]
    open: Callable[[Bench], AbstractContextManager[Contenders]]
    rounds: int = 15
    page: str = "performance"


@dataclass(frozen=True)
class Spread:
    """The median and the quartiles of some values."""

    low: float
    median: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Return the median and the quartiles of one or more values."""
    numbers = list(values)
    if len(numbers) == 1:
        return Spread(*numbers * 3)
    return Spread(*statistics.quantiles(numbers, n=4, method="inclusive"))


def ratios(samples: Samples, comparison: Comparison) -> list[float]:
    """Return the ratio of each round."""
    pairs = (samples[name][quantity] for name, quantity in comparison.sides)
    return [value / baseline for value, baseline in zip(*pairs, strict=True)]


def alternate(contenders: Contenders, rounds: int, progress: Report = lambda text: None) -> Samples:
    """Let each contender take one turn in each round; every second round has the reverse order.

    Two rounds begin with one pair of contenders, the next two with the next pair. So compared contenders should be
    neighbours: the speed of a machine changes with time. The turns before the first round do not count: they fill
    caches and create databases.
    """
    names = list(contenders)
    for name in names:
        progress(f"{name} (warming up)")
        contenders[name]()
    samples: Samples = {name: {} for name in names}
    for number in range(rounds):
        first = 2 * (number // 2) % len(names)
        order = names[first:] + names[:first]
        for name in reversed(order) if number % 2 else order:
            values = contenders[name]()
            progress(
                f"{number + 1}/{rounds} {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in values.items())
            )
            for key, value in values.items():
                samples[name].setdefault(key, []).append(float(f"{value:.6g}"))
    return samples


def run(subject: Subject, bench: Bench, rounds: int, progress: Report) -> dict[str, Any]:
    """Measure a subject; return the samples and the conditions, as values for JSON."""
    conditions = {
        "measured": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "rounds": rounds,
        "load": round(os.getloadavg()[0], 2),
        "machine": machine(),
        "versions": versions(),
    }
    with subject.open(bench) as contenders:
        return conditions | {"samples": alternate(contenders, rounds, progress)}


def machine() -> str:
    """Return a description of this machine, in one line."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="ascii"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = model[1] if model else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}"


def versions() -> str:
    """Return the versions of the measured software, in one line."""
    pinned = pins()
    plone = read_pins(TESTS / "with_plone/versions.cfg")["Plone"]
    # uWSGI is installed from the distribution pyuwsgi
    servers = sorted((name for name in pinned if name.lower() in {*SERVERS, "pyuwsgi"}), key=str.lower)
    names = ", ".join(f"{name} {pinned[name]}" for name in ("Zope", "ZODB", "zc.buildout", *servers))
    return f"Python {platform.python_version()}, Plone {plone}, {names}"
