"""The measurements of ``benchmarks``: what is made of numbers, and whether one of them works, whatever it finds."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import plot, report
from benchmarks.__main__ import DIRECTORY, SUBJECTS, main, pages
from benchmarks.measure import Bench, Comparison, Samples, Spread, Subject, alternate, ratios, spread
from benchmarks.processes import cpu_time, finish, parse
from support import running

BOOT = Comparison("first answer", "boot", "s", aim=0.5)
RATE = Comparison("requests a second", "rate", "/s", aim=1.2, more_is_better=True)
PAIR = Comparison("a pair", "new", "/s", 0.9, True, contender="one", baseline="one", baseline_quantity="old")
OTHER = Comparison("old & slow", "memory", "MB", contender="new", baseline="old")


def subject(*comparisons: Comparison) -> Subject:
    def none(bench: Bench) -> None:
        raise AssertionError("nothing is to be measured")

    return Subject("some", "Some subject", comparisons, none)  # type: ignore[arg-type]


def results(samples: Samples) -> report.Results:
    conditions = {"measured": "2026-01-02 03:04 UTC", "rounds": 4, "load": 0.25, "machine": "M", "versions": "V"}
    return {"some": conditions | {"samples": samples}}


SAMPLES: Samples = {
    "recipe": {"boot": [1.0, 2.0, 3.0, 4.0], "rate": [1060.0, 1100.0, 1200.0, 1400.0]},
    "9.1.0": {"boot": [2.0, 4.0, 12.0, 10.0], "rate": [1000.0] * 4},
}


# --- the frame -------------------------------------------------------------------------------


def test_contenders_take_turns_and_each_is_first() -> None:
    calls = []

    def contender(name: str) -> dict[str, float]:
        calls.append(name)
        return {"n": float(len(calls))}

    found = alternate({"A": lambda: contender("A"), "B": lambda: contender("B")}, 3)
    assert "".join(calls) == "AB" + "AB" + "BA" + "AB"  # the first two do not count
    assert found == {"A": {"n": [3, 6, 7]}, "B": {"n": [4, 5, 8]}}


def test_a_ratio_is_that_of_one_round() -> None:
    assert ratios(SAMPLES, BOOT) == [0.5, 0.5, 0.25, 0.4]


@pytest.mark.parametrize(
    ("values", "expected"), [([3], (3, 3, 3)), ([1, 2, 3, 4, 5], (2, 3, 4)), ([4, 1, 2, 3], (1.75, 2.5, 3.25))]
)
def test_spread(values: list[float], expected: tuple[float, float, float]) -> None:
    assert spread(values) == Spread(*expected)


def test_time_of_cpu_is_that_of_the_processes_that_name_a_directory(tmp_path: Path) -> None:
    program = "import time\nprint(flush=True)\nwhile time.process_time() < 0.5: pass\ntime.sleep(60)"
    with running(sys.executable, "-c", program, str(tmp_path / "instance/etc"), cwd=tmp_path) as server:
        server.wait_for_output("\n")
        finish(tmp_path / "instance")
        assert 0.5 <= cpu_time(tmp_path / "instance") < 1
        assert cpu_time(tmp_path / "other") == 0


def test_reading_wrk() -> None:
    output = (
        "  2 threads and 4 connections\n  Latency Distribution\n     50%    3.02ms\n     99%    1.25s \n"
        "  5876 requests in 5.00s, 9.58MB read\nRequests/sec:   1174.93\nTransfer/sec:      1.92MB\n"
    )
    found = parse(output)
    assert (found.requests, found.rate, found.p99) == (5876, 1174.93, 1250)
    assert parse(output.replace("1.25s ", "987.65us")).p99 == pytest.approx(0.98765)
    with pytest.raises(ValueError, match="not the output of wrk"):
        parse("unable to connect")


# --- the report ------------------------------------------------------------------------------


def test_a_table_says_what_was_found_and_whether_the_aim_is_reached() -> None:
    found = report.text([subject(BOOT, RATE)], results(SAMPLES))
    assert "Some subject, 4 rounds" in found
    boot, rate = (next(line for line in found.splitlines() if line.startswith(row.title)) for row in (BOOT, RATE))
    assert "recipe: 2.50 s (1.75 to 3.25)" in boot
    assert "9.1.0: 7.00 s (3.50 to 10.5)" in boot
    assert "0.45 (0.36 to 0.50)" in boot
    assert boot.endswith("at most 0.5: reached")
    assert "recipe: 1150 /s (1090 to 1250)" in rate
    assert rate.endswith("1.15 (1.09 to 1.25)  at least 1.2: not reached")


def test_a_turn_may_measure_both_sides() -> None:
    found = report.text([subject(PAIR)], results({"one": {"new": [3.0, 2.0], "old": [4.0, 2.0]}}))
    (line,) = (each for each in found.splitlines() if each.startswith("a pair"))
    assert "new: 2.50 /s" in line
    assert "old: 3.00 /s" in line
    assert line.endswith("0.88 (0.81 to 0.94)  at least 0.9: not reached")


@pytest.mark.parametrize("found", [{}, {"recipe": {"boot": [1.0]}, "9.1.0": {}}])
def test_what_was_not_measured_is_said(found: Samples) -> None:
    measured = results(found) if found else {}
    (line,) = (each for each in report.text([subject(BOOT)], measured).splitlines() if each.startswith(BOOT.title))
    assert line.count("not measured yet") == 2
    assert line.endswith("at most 0.5")
    assert "reached" not in line
    assert "not measured yet" in report.rst([subject(BOOT)], measured)


def test_the_table_of_the_page_says_the_conditions() -> None:
    found = report.rst([subject(BOOT, RATE)], results(SAMPLES))
    assert ".. list-table:: Some subject\n" in found
    assert "   * - first answer\n     - recipe: 2.50 s (1.75 to 3.25)\n" in found
    assert "   * - Some subject\n     - 2026-01-02 03:04 UTC\n     - 4\n     - 0.25\n" in found
    assert "\nMachine: M.\n\nVersions: V.\n" in found


def test_results_are_kept(tmp_path: Path) -> None:
    assert report.load(tmp_path / "new") == {}
    report.save(tmp_path / "new", results(SAMPLES))
    assert report.load(tmp_path / "new") == results(SAMPLES)


def test_the_picture_shows_each_ratio() -> None:
    samples: Samples = {"new": {"memory": [3.0]}, "old": {"memory": [1.0]}} | SAMPLES
    root = ET.fromstring(plot.svg([subject(BOOT, RATE, OTHER)], results(samples)))
    space = "{http://www.w3.org/2000/svg}"
    texts = [each.text for each in root.iter(f"{space}text")]
    assert "old & slow" in texts
    assert [text for text in texts if text in ("0.45", "1.15", "3.00")] == ["0.45", "1.15", "3.00"]
    dots = [(float(each.attrib["cx"]), each.attrib["fill"]) for each in root.iter(f"{space}circle")]
    assert dots == [
        (plot._x(0.45), plot.BETTER),
        (plot._x(1.15), plot.BETTER),
        (plot._x(3), plot.WORSE),
    ]
    assert dots[0][0] < plot._x(1) < dots[1][0] < dots[2][0]


def test_the_picture_of_nothing_says_so() -> None:
    assert "Not measured yet." in plot.svg([subject(BOOT)], {})


# --- the documentation, and a real one -------------------------------------------------------


def test_the_page_has_what_the_results_say() -> None:
    """To renew it: ``python -m benchmarks --report``."""
    for name, content in pages(report.load(DIRECTORY)).items():
        assert (DIRECTORY / name).read_text(encoding="utf-8") == content, name


def test_subjects_and_lines_have_names_of_their_own_that_fit_the_picture() -> None:
    assert len({each.name for each in SUBJECTS}) == len(SUBJECTS)
    for each in SUBJECTS:
        titles = [comparison.title for comparison in each.comparisons]
        assert len(set(titles)) == len(titles)
        assert max(map(len, [each.title, *titles])) <= 46


def test_an_unknown_subject_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["statsu"])
    assert "unknown subject: statsu. Known subjects: " in capsys.readouterr().err


def test_what_fails_is_told_and_leaves_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["requests", "--quick", "--directory", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "not measured yet" in printed.out
    assert "wrk is not installed" in printed.err
    assert report.load(tmp_path) == {}


def test_status_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--quick", "--rounds", "2", "--directory", str(tmp_path)]) == 0
    found = json.loads((tmp_path / report.RESULTS).read_text(encoding="utf-8"))["status"]["samples"]
    assert set(found) == {"recipe", "9.1.0"}
    for samples in found.values():
        assert {key: len(values) for key, values in samples.items()} == {"running": 2, "stopped": 2, "memory": 2}
        assert all(10 < value < 1000 for value in samples["memory"])
    assert "status, 2 rounds" in capsys.readouterr().out
    assert (tmp_path / "performance.svg").is_file()
