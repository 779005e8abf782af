"""Measure, and report the results: ``python -m benchmarks [SUBJECT ...] [--rounds N] [--quick]``."""

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
from benchmarks.measure import Bench, Report, Subject, run
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

#: The directory of the results, which the documentation includes. Quick results go to a directory of the cache.
DIRECTORY = CHECKOUT / "docs/performance"
QUICK_DIRECTORY = CACHE / "bench-quick"
QUICK_ROUNDS = 3


def main(args: list[str] | None = None) -> int:
    """Measure the subjects that the arguments name; write the tables, the JSON and the pictures."""
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
        print(f"Not measured because of errors: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def measured(subject: Subject, rounds: int, quick: bool) -> Mapping[str, Any]:
    """Measure a subject in a new directory; 0 rounds stand for the number that the subject declares."""
    count = rounds or (QUICK_ROUNDS if quick else subject.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        return run(subject, Bench(Path(directory), quick), count, _progress(subject))


def write(directory: Path, results: report.Results) -> None:
    """Write the table and the picture of each page from the results."""
    for path, content in pages(results).items():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(content, encoding="utf-8")


def pages(results: report.Results) -> dict[str, str]:
    """Return the files that the documentation includes: their names and contents."""
    files = {}
    for page in dict.fromkeys(subject.page for subject in SUBJECTS):
        subjects = [subject for subject in SUBJECTS if subject.page == page]
        files[f"{page}.txt"] = report.rst(subjects, results)
        files[f"{page}.svg"] = plot.svg(subjects, results)
    return files


def _progress(subject: Subject) -> Report:
    begin = time.monotonic()

    def report_progress(text: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {subject.name}: {text}", file=sys.stderr, flush=True)

    return report_progress


def _options(args: list[str] | None) -> argparse.Namespace:
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split(":")[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"one of {', '.join(names)}; default: all")
    parser.add_argument(
        "--rounds", type=int, default=0, help="number of turns of each contender; default: as the subject declares"
    )
    parser.add_argument(
        "--quick", action="store_true", help="test the benchmarks with few short rounds; the results do not go to docs/"
    )
    parser.add_argument("--report", action="store_true", help="write the tables and pictures again, without measuring")
    parser.add_argument("--directory", type=Path, help="where the results go; default: docs/performance")
    options = parser.parse_args(args)
    if unknown := [name for name in options.subjects if name not in names]:
        parser.error(f"unknown subject: {', '.join(unknown)}. Known subjects: {', '.join(names)}")
    if options.rounds < 0:
        parser.error("--rounds must be 1 or more")
    return options


if __name__ == "__main__":
    # Exit as Ctrl-C does, so that the servers are stopped
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
