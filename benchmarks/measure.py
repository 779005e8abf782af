"""The frame of all measurements: contenders take turns, and what is compared is a ratio within one turn.

So what else the machine does hits all contenders of a round alike, and the ratios say more than the values.
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

OURS, THEIRS = "ours", "9.1.0"

#: Takes word of how far it is.
Tell = Callable[[str], None]

#: What one turn of a contender yields: values by the name of what was measured.
Values = Mapping[str, float]
Contenders = Mapping[str, Callable[[], Values]]

#: All that was measured: contender -> quantity -> a value for each round, in the order of the rounds.
Samples = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Bench:
    """Where a subject may build what it needs, and whether it is only to show that it works."""

    directory: Path
    quick: bool = False

    @property
    def seconds(self) -> int:
        """How long a server is asked in one turn."""
        return 1 if self.quick else 4


@dataclass(frozen=True)
class Comparison:
    """One line of the table: a quantity of one contender, as a ratio to that of another one.

    `aim` is the ratio that was aimed at: at most this, or at least where `more_is_better`. A contender whose turn
    measures both sides is its own baseline, by another quantity.
    """

    title: str
    quantity: str
    unit: str
    aim: float | None = None
    more_is_better: bool = False
    contender: str = OURS
    baseline: str = THEIRS
    baseline_quantity: str = ""

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Contender and quantity of what is compared, and of what it is compared with."""
        return (self.contender, self.quantity), (self.baseline, self.baseline_quantity or self.quantity)

    @property
    def labels(self) -> tuple[str, str]:
        """What the two sides are called."""
        if self.baseline_quantity:
            return self.quantity, self.baseline_quantity
        return self.contender, self.baseline

    def is_reached(self, ratio: float) -> bool:
        """Whether a ratio is what was aimed at."""
        assert self.aim is not None
        return ratio >= self.aim if self.more_is_better else ratio <= self.aim


@dataclass(frozen=True)
class Subject:
    """Something to measure. `open` builds the contenders, and keeps them while they take turns."""

    name: str
    title: str
    comparisons: tuple[Comparison, ...]
    open: Callable[[Bench], AbstractContextManager[Contenders]]
    rounds: int = 15
    page: str = "performance"


@dataclass(frozen=True)
class Spread:
    """The median of some values, with their quartiles."""

    low: float
    median: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Return median and quartiles of one value or more."""
    found = list(values)
    if len(found) == 1:
        return Spread(*found * 3)
    return Spread(*statistics.quantiles(found, n=4, method="inclusive"))


def ratios(samples: Samples, comparison: Comparison) -> list[float]:
    """Return the ratio of each round."""
    pairs = (samples[name][quantity] for name, quantity in comparison.sides)
    return [ours / theirs for ours, theirs in zip(*pairs, strict=True)]


def alternate(contenders: Contenders, rounds: int, tell: Tell = lambda text: None) -> Samples:
    """Let each contender have its turn in each round, the next time the other way round, beginning with another pair.

    What is compared had best be a pair, since a machine is not the same for long. The turns before the first round do
    not count: they leave caches warm, and databases made.
    """
    names = list(contenders)
    for name in names:
        tell(f"{name} (warming up)")
        contenders[name]()
    samples: Samples = {name: {} for name in names}
    for number in range(rounds):
        first = 2 * (number // 2) % len(names)
        order = names[first:] + names[:first]
        for name in reversed(order) if number % 2 else order:
            values = contenders[name]()
            tell(f"{number + 1}/{rounds} {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in values.items()))
            for key, value in values.items():
                samples[name].setdefault(key, []).append(float(f"{value:.6g}"))
    return samples


def run(subject: Subject, bench: Bench, rounds: int, tell: Tell) -> dict[str, Any]:
    """Measure a subject; return what was found with where, when and how, ready for JSON."""
    conditions = {
        "measured": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "rounds": rounds,
        "load": round(os.getloadavg()[0], 2),
        "machine": machine(),
        "versions": versions(),
    }
    with subject.open(bench) as contenders:
        return conditions | {"samples": alternate(contenders, rounds, tell)}


def machine() -> str:
    """Say what this machine is, in a line."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="ascii"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = found[1] if found else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}"


def versions() -> str:
    """Say what is measured, in a line."""
    pinned = pins()
    plone = read_pins(TESTS / "with_plone/versions.cfg")["Plone"]
    # uWSGI comes as its wheel
    servers = sorted((name for name in pinned if name.lower() in {*SERVERS, "pyuwsgi"}), key=str.lower)
    names = ", ".join(f"{name} {pinned[name]}" for name in ("Zope", "ZODB", "zc.buildout", *servers))
    return f"Python {platform.python_version()}, Plone {plone}, {names}"
