"""Measure, and say what was found: ``python -m benchmarks [SUBJECT ...] [--rounds N] [--quick]``."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import accesslog, boot, by_hand, frontpage, plot, rebuild, report, servers, status
from benchmarks.measure import Bench, Subject, Tell, run
from support import CACHE, CHECKOUT

SUBJECTS = (
    boot.PLONE,
    boot.ZOPE,
    status.SUBJECT,
    rebuild.SUBJECT,
    frontpage.SUBJECT,
    accesslog.SUBJECT,
    boot.LINKS,
    boot.COLLECTOR,
    by_hand.SUBJECT,
    servers.BESIDE_WAITRESS,
    servers.WORKERS,
)

#: Where results are kept: the documentation has them. Quick ones are no results, and stay here.
DIRECTORY = CHECKOUT / "docs/performance"
QUICK_DIRECTORY = CACHE / "bench-quick"
QUICK_ROUNDS = 3


def main(args: list[str] | None = None) -> int:
    """Measure what the arguments name, and write table, JSON and picture."""
    options = _options(args)
    directory = options.directory or (QUICK_DIRECTORY if options.quick else DIRECTORY)
    wanted = [subject for subject in SUBJECTS if not options.subjects or subject.name in options.subjects]
    results = report.load(directory)
    failed = []
    for subject in [] if options.report else wanted:
        try:
            results[subject.name] = measured(subject, options.rounds, options.quick)
        except Exception:
            traceback.print_exc()
            failed.append(subject.name)
        else:
            report.save(directory, results)
    write(directory, results)
    print(report.text(wanted, results))
    if failed:
        print(f"Not measured, since something failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def measured(subject: Subject, rounds: int, quick: bool) -> Mapping[str, Any]:
    """Measure a subject in a directory of its own; no rounds means as many as the subject says."""
    count = rounds or (QUICK_ROUNDS if quick else subject.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        return run(subject, Bench(Path(place), quick), count, _teller(subject))


def write(directory: Path, results: report.Results) -> None:
    """Write table and picture of each page from the results."""
    for path, content in pages(results).items():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(content, encoding="utf-8")


def pages(results: report.Results) -> dict[str, str]:
    """Return what the documentation includes: names of files, and what is in them."""
    found = {}
    for page in dict.fromkeys(subject.page for subject in SUBJECTS):
        subjects = [subject for subject in SUBJECTS if subject.page == page]
        found[f"{page}.txt"] = report.rst(subjects, results)
        found[f"{page}.svg"] = plot.svg(subjects, results)
    return found


def _teller(subject: Subject) -> Tell:
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {subject.name}: {text}", file=sys.stderr, flush=True)

    return tell


def _options(args: list[str] | None) -> argparse.Namespace:
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split(":")[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"one of {', '.join(names)}; default: all")
    parser.add_argument("--rounds", type=int, default=0, help="turns of each contender; default: what the subject says")
    parser.add_argument(
        "--quick", action="store_true", help="see that it works: few short rounds, no results for docs/"
    )
    parser.add_argument("--report", action="store_true", help="measure nothing, write tables and pictures anew")
    parser.add_argument("--directory", type=Path, help="where the results go; default: docs/performance")
    options = parser.parse_args(args)
    if unknown := [name for name in options.subjects if name not in names]:
        parser.error(f"there is no subject {', '.join(unknown)}. There are: {', '.join(names)}")
    if options.rounds < 0:
        parser.error("--rounds: a number from 1 on")
    return options


if __name__ == "__main__":
    # As Ctrl-C does: the servers are stopped on the way out
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
