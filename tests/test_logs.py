"""Both logs by a real Zope: each line once, rotation, directories, streams, and JSON with exactly its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

import views
from support import Buildout, Server, fetch, free_port, running, serving, wait_for_http

LOGGERS = ("", "plone", "plone.app.thing", "waitress", "waitress.queue", "Zope", "another")


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Buildout, Server, str]]:
    """A Zope that logs what it is told to; its buildout, its process and its URL."""
    buildout, port = Buildout(tmp_path_factory.mktemp("logs") / "buildout"), free_port()
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\n{views.OPTIONS}")
    buildout.run()
    url = f"http://127.0.0.1:{port}"
    with serving(buildout, url=url + "/") as server:
        yield buildout, server, url


def say(url: str, text: str, **more: str) -> None:
    assert fetch(f"{url}/say?{urlencode({'text': text} | more)}").text == "said"


@pytest.mark.parametrize("logger", LOGGERS)
def test_a_line_is_written_once(speaking: tuple[Buildout, Server, str], logger: str) -> None:
    """To the event log; and to the console, but for the queue of waitress, as in 9.1.0."""
    buildout, server, url = speaking
    text = f"once-{logger or 'root'}."
    say(url, text, logger=logger)
    log = buildout.read("var/log/instance.log")
    assert len(re.findall(rf"^.* INFO .*\[{logger or 'root'}:\d+\]\[.*\] {text}$", log, re.MULTILINE)) == 1
    assert log.count(text) == 1
    assert server.output.count(text) == (0 if logger == "waitress.queue" else 1)


def test_a_level_is_that_of_its_logger(speaking: tuple[Buildout, Server, str]) -> None:
    buildout, _, url = speaking
    for logger in LOGGERS:
        say(url, f"quiet-{logger}!", logger=logger, level="DEBUG")
        say(url, f"loud-{logger}!", logger=logger, level="WARNING")
    log = buildout.read("var/log/instance.log")
    assert "quiet-" not in log
    assert all(log.count(f"loud-{logger}!") == 1 for logger in LOGGERS)


def test_the_queue_of_waitress_keeps_its_level(buildout: Buildout, port: int) -> None:
    """INFO, whatever ``event-log-level`` says; all others follow it, as in 9.1.0."""
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nevent-log-level = error\n{views.OPTIONS}")
    buildout.run()
    with serving(buildout, url=f"http://127.0.0.1:{port}/"):
        for logger in LOGGERS:
            for level in ("INFO", "WARNING", "ERROR"):
                say(f"http://127.0.0.1:{port}", f"{level}-{logger}.", logger=logger, level=level)
    # waitress may have something to say, too
    texts = re.findall(r" ((?:INFO|WARNING|ERROR)-\S*)$", buildout.read("var/log/instance.log"), re.MULTILINE)
    expected = [f"{level}-waitress.queue." for level in ("INFO", "WARNING", "ERROR")]
    expected += [f"ERROR-{logger}." for logger in LOGGERS if logger != "waitress.queue"]
    assert sorted(texts) == sorted(expected)


ROTATION = """\
eggs = Zope
event-log = made/by us/events.log
event-log-max-size = 1KB
event-log-old-files = 2
access-log = made/requests.log
access-log-max-size = 1KB
access-log-old-files = 3
"""


def test_rotation_and_directories(buildout: Buildout, port: int) -> None:
    buildout.instance(f"{ROTATION}http-address = 127.0.0.1:{port}\n{views.OPTIONS}")
    buildout.run()
    made = buildout.directory / "var/made"
    assert (made / "by us").is_dir()
    assert not list(made.rglob("*.log"))
    url = f"http://127.0.0.1:{port}"
    with serving(buildout, url=url + "/"):
        for number in range(40):
            say(url, f"number {number} {'.' * 100}")
    for log, kept, pattern in (
        ("by us/events.log", 2, r"number (\d+) \."),
        ("requests.log", 3, r"text=number\+(\d+)\+"),
    ):
        files = [made / f"{log}.{number}" for number in range(kept, 0, -1)] + [made / log]
        assert sorted(made.glob(f"{log}*")) == sorted(files)
        assert all(0 < file.stat().st_size <= 1024 for file in files)
        # The last lines, none missing, none twice
        numbers = [int(number) for file in files for number in re.findall(pattern, file.read_text())]
        assert numbers == list(range(40 - len(numbers), 40))
        assert len(numbers) > kept * 3


FIELDS = {"time", "level", "logger", "message"}
REQUEST = {"method", "path", "status", "bytes", "duration", "client", "user", "user_agent", "referrer"}


def test_json_has_its_fields_and_no_others(buildout: Buildout, port: int) -> None:
    """In files here; ``test_jsonlog.py`` has it on the console."""
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nlog-format = json\n{views.OPTIONS}")
    buildout.run()
    url = f"http://127.0.0.1:{port}"
    with serving(buildout, url=url + "/"):
        say(url, 'a "text"\nof two lines', logger="plone.x", level="WARNING")
        assert fetch(url + "/fail?text=broken").status == 500
        assert fetch(url + "/manage_main", user="admin:admin").status == 200
    events = [json.loads(line) for line in buildout.read("var/log/instance.log").splitlines()]
    [said] = [event for event in events if event["logger"] == "plone.x"]
    assert (said["level"], said["message"]) == ("WARNING", 'a "text"\nof two lines')
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", said["time"])
    [failed] = [event for event in events if "exc_info" in event]
    assert failed["exc_info"].endswith("RuntimeError: broken")
    assert {frozenset(event) for event in events} == {frozenset(FIELDS), frozenset(FIELDS | {"exc_info"})}
    requests = [json.loads(line) for line in buildout.read("var/log/instance-access.log").splitlines()]
    assert {frozenset(request) for request in requests} == {frozenset(FIELDS | REQUEST)}
    assert [request["status"] for request in requests] == [200, 200, 500, 200]
    assert [request["user"] for request in requests] == [None, None, None, "admin"]
    assert [request["bytes"] > 0 for request in requests] == [
        True,
        True,
        False,
        True,
    ]  # the third is the server's own page
    assert {request["logger"] for request in requests} == {"wsgi"}


def test_a_stream_for_each_log(buildout: Buildout, port: int) -> None:
    """As containers collect them: requests on one, events on the other, and no files."""
    buildout.instance(
        f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nevent-log = stdout\naccess-log = stderr\n{views.OPTIONS}"
    )
    buildout.run()
    url = f"http://127.0.0.1:{port}"
    command = f"exec {buildout.directory}/bin/instance console 2> errors.txt > output.txt"
    with running("/bin/sh", "-c", command, cwd=buildout.directory) as server:
        wait_for_http(url + "/", process=server.process)
        say(url, "to stdout")
        assert server.stop() == 0
    output, errors = buildout.read("output.txt"), buildout.read("errors.txt")
    assert output.count("to stdout") == 1
    assert "to stdout" not in errors.replace("to+stdout", "")
    assert errors.count("text=to+stdout") == 1
    assert "GET" not in output
    assert not (buildout.directory / "var/log").exists()
