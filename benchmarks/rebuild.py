"""The cost of a part in a run of buildout in which nothing has changed, compared with a buildout without parts."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.measure import NEW, OLD, Bench, Comparison, Contenders, Subject, Values
from benchmarks.sites import build, part, write
from support import Buildout


def turn(buildout: Buildout, empty: Buildout) -> Callable[[], Values]:
    """Return a turn that runs both buildouts; the cost of the part is the difference."""

    def take() -> Values:
        without, alone = run(empty), run(buildout)
        return {f"{key} of the part": alone[key] - without[key] for key in alone} | {"empty": without["clock"]}

    return take


def run(buildout: Buildout) -> dict[str, float]:
    """Run a buildout; return its wall-clock time and its CPU time (user and system, with its children) in seconds."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    buildout.run()
    clock, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"clock": clock, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


@contextmanager
def contenders(bench: Bench) -> Iterator[Contenders]:
    """Build the same part with each recipe, and a buildout without parts."""
    empty = write(bench.directory / "empty", NEW, "")
    yield {name: turn(build(bench.directory / name, name, part(8080)), empty) for name in (NEW, OLD)}


SUBJECT = Subject(
    "rebuild",
    "bin/buildout if nothing has changed",
    (
        Comparison("a part, in addition to an empty buildout", "clock of the part", "s", aim=0.3),
        Comparison("the same, CPU time", "cpu of the part", "s"),
    ),
    contenders,
    rounds=20,
)
