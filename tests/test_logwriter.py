"""The thread that writes the access log: nothing is lost, nothing comes twice, nobody waits."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe.wsgi.logs import reopen
from recipe.wsgi.logs import writer as writer_module
from recipe.wsgi.logs.queuelog import QueueLog
from recipe.wsgi.logs.writer import LogWriter
from waiting import wait_for


def record(entry: str, logger: logging.Logger) -> logging.LogRecord:
    if not entry:
        raise ValueError("nothing to say")
    return logger.makeRecord(logger.name, logging.INFO, __file__, 0, entry, (), None)


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    found = logging.getLogger(f"writer-{request.node.name}")
    found.setLevel(logging.INFO)
    found.propagate = False
    yield found
    for handler in found.handlers[:]:
        found.removeHandler(handler)
        if isinstance(handler, logging.FileHandler):  # pytest has its own ones here
            handler.close()


def to_file(logger: logging.Logger, path: Path, **kwargs: object) -> logging.FileHandler:
    handler = logging.FileHandler(path, **kwargs)  # type: ignore[arg-type]
    logger.addHandler(handler)
    return handler


def test_all_lines_in_order(logger: logging.Logger, tmp_path: Path) -> None:
    to_file(logger, tmp_path / "log")
    writer = LogWriter(logger, record)
    for number in range(1000):
        writer.put(str(number))
    wait_for(lambda: (tmp_path / "log").read_text().splitlines() == [str(number) for number in range(1000)])


def test_from_many_threads_while_logs_are_reopened(logger: logging.Logger, tmp_path: Path) -> None:
    to_file(logger, tmp_path / "log")
    writer = LogWriter(logger, record)

    def put(name: int) -> None:
        for number in range(500):
            writer.put(f"{name}-{number}")
            time.sleep(0.0005)

    threads = [threading.Thread(target=put, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    rotated = 0
    while any(thread.is_alive() for thread in threads):
        (tmp_path / "log").rename(tmp_path / f"log.{rotated}")
        rotated += 1
        reopen.reopen()
        time.sleep(0.02)
    writer.flush()
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name}-{number}" for name in range(4) for number in range(500))


def test_a_line_that_cannot_be_made_is_told_and_passed_over(
    logger: logging.Logger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    to_file(logger, tmp_path / "log")
    writer = LogWriter(logger, record)
    for entry in ("before", "", "after"):
        writer.put(entry)
    wait_for(lambda: (tmp_path / "log").read_text() == "before\nafter\n")
    assert f"Cannot write a line to the log {logger.name}" in caplog.text


def test_a_log_that_is_slower_than_the_site_is_waited_for(logger: logging.Logger) -> None:
    """What lies in memory has a bound; beyond it the requests wait, and nothing is lost."""
    found: list[str] = []

    class Slow(logging.Handler):
        def emit(self, made: logging.LogRecord) -> None:
            time.sleep(0.00002)
            found.append(made.getMessage())

    logger.addHandler(Slow())
    writer = LogWriter(logger, record)
    most = 0
    for number in range(writer_module.MOST_BEHIND + 5000):
        writer.put(str(number))
        most = max(most, number + 1 - len(found))
    writer.flush()
    assert found == [str(number) for number in range(writer_module.MOST_BEHIND + 5000)]
    assert most <= writer_module.MOST_BEHIND + 2


def test_a_server_that_lets_no_thread_run_writes_all_the_same(logger: logging.Logger, tmp_path: Path) -> None:
    to_file(logger, tmp_path / "log")
    writer = LogWriter(logger, record)
    with writer_module._writing:  # the thread gets nowhere meanwhile, like one that never runs
        writer.put("one")
        time.sleep(writer_module.LATEST + 0.1)
        writer.put("two")
        assert (tmp_path / "log").read_text() == "one\ntwo\n"


PROGRAM = """
import logging, os, sys
from recipe.wsgi.logs.writer import LogWriter
logging.basicConfig(filename=sys.argv[1], format="%(message)s", level="INFO")
writer = LogWriter(logging.getLogger(), lambda entry, logger: logging.makeLogRecord({"msg": entry, "levelno": 20}))
"""


def run(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    # Python 3.12 warns of a fork beside threads where __main__ is the one that forks
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + program, str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_end_of_the_process_writes_what_is_left(tmp_path: Path) -> None:
    """Also what comes when the interpreter has begun to end, and after an exception."""
    program = """
import atexit
atexit.register(writer.put, "late")  # called before the writer's own
writer.put("early")
raise SystemExit(3)
"""
    done = run(program, tmp_path / "log")
    assert (done.returncode, done.stderr) == (3, "")
    assert (tmp_path / "log").read_text() == "early\nlate\n"


def test_a_fork_gets_a_thread_of_its_own_and_no_line_twice(tmp_path: Path) -> None:
    program = """
import time
for number in range(200):
    writer.put(f"parent {number}")
    if number % 20 == 0:
        child = os.fork()
        if not child:
            writer.put(f"child {number}")
            while f"child {number}\\n" not in open(sys.argv[1]).read():
                time.sleep(0.01)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
"""
    done = run(program, tmp_path / "log")
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(lines) == sorted(
        [f"parent {number}" for number in range(200)] + [f"child {number}" for number in range(0, 200, 20)]
    )


def test_a_queue_is_told_once_a_second_and_when_it_grows(caplog: pytest.LogCaptureFixture) -> None:
    log = QueueLog(logging.getLogger("queue"))
    for depth in (1, 1, 2, 1, 2, 3):
        log.warning("Task queue depth is %d", depth)
    assert [int(one.getMessage().split()[-1]) for one in caplog.records] == [1, 2, 3]
    time.sleep(1.1)
    log.warning("Task queue depth is %d", 1)
    assert caplog.messages[-1] == "Task queue depth is 1"
    assert len(caplog.records) == 4


def test_a_full_disk_is_told_on_stderr_and_harms_nobody() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    done = run('writer.put("lost"); writer.flush(); print("goes on", flush=True); os._exit(0)', Path("/dev/full"))
    assert done.stdout == "goes on\n"
    assert "No space left on device" in done.stderr
