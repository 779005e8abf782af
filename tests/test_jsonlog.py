"""Both logs as JSON lines, and to stdout, by a real server."""

from __future__ import annotations

import json

from parts import description, ini, wsgi_ini
from support import Buildout, fetch, serving


def test_streams_take_the_console_s_place() -> None:
    parser = ini(wsgi_ini("event-log = stdout\naccess-log = stderr"))
    assert parser.get("logger_root", "handlers") == "eventlog"
    assert parser.get("handler_eventlog", "class") == "StreamHandler"
    assert parser.get("handler_eventlog", "args") == "(sys.stdout,)"
    assert parser.get("handler_accesslog", "args") == "(sys.stderr,)"


def test_a_handler_does_nothing_beside_a_stream() -> None:
    _, problems = description("event-log = stdout\nevent-log-handler = logging.handlers.SysLogHandler")
    assert problems.warnings == ["[instance] event-log-handler: does nothing with event-log = stdout"]


def test_json_lines_for_containers(buildout: Buildout, port: int) -> None:
    buildout.instance(
        f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nevent-log = stdout\naccess-log = stdout\nlog-format = json\n"
    )
    buildout.run()
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        fetch(f"http://127.0.0.1:{port}/?a=b")
        output = server.wait_for_output("/?a=b")
    records = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    ready = [record for record in records if record["message"] == "Ready to handle requests"]
    assert len(ready) == 1
    assert (ready[0]["level"], ready[0]["logger"]) == ("INFO", "Zope")
    assert ready[0]["time"].endswith("+00:00")
    [request] = [record for record in records if record.get("path") == "/?a=b"]
    assert (request["method"], request["status"], request["client"]) == ("GET", 200, "127.0.0.1")
    assert request["bytes"] > 100
    assert 0 < request["duration"] < 10
    assert request["user"] is None
    assert request["referrer"] is None
    assert request["user_agent"].startswith("Python-urllib")
    assert not list(buildout.directory.glob("var/log/*"))
