"""What the access log costs: Zope's front page with ours, with Paste's translogger, and without any.

    .venv/bin/python benchmarks/accesslog.py [ROUNDS [SECONDS]]

Three instances run side by side, and ``wrk`` (Debian's package) asks each in turn for some seconds; so what else the
machine does hits all three alike. A ratio is that of the requests per second in the same round. Besides, the filters'
own time is measured, around an application that does nothing: that does not depend on the machine's load so much.
"""

from __future__ import annotations

import io
import logging
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support import Buildout, free_port, serving

OURS, PASTE, NONE = "ours", "paste", "none"
CONNECTIONS = 4


def build(directory: Path, ports: dict[str, int]) -> Buildout:
    """Build the three instances; in the second, Paste's filter takes the place of ours, as in 9.1.0."""
    buildout = Buildout(directory)
    parts = "".join(
        f"[{name}]\nrecipe = plone.recipe.zope2instance\nuser = admin:admin\neggs = Zope\nscripts =\n"
        f"http-address = 127.0.0.1:{port}\nvar = var-{name}\n" + ("access-log = disable\n" if name == NONE else "")
        for name, port in ports.items()
    )
    buildout.write(f"[buildout]\nparts = {' '.join(ports)}\n{parts}")
    buildout.run()
    ini = buildout.part(PASTE) / "etc/wsgi.ini"
    theirs = "use = egg:Paste#translogger\nsetup_console_handler = False"
    text = ini.read_text(encoding="utf-8")
    ini.write_text(text.replace("use = egg:plone.recipe.zope2instance#translogger", theirs), encoding="utf-8")
    return buildout


@dataclass(frozen=True)
class Round:
    """Requests per second, and what each took of the server's CPU time, in microseconds."""

    rate: float
    cpu: float


def ask(port: int, pid: int, seconds: int) -> Round:
    """Ask with wrk for some seconds."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    before = cpu_time(pid)
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_time(pid) - before
    assert "Non-2xx" not in output, output
    found = re.search(r"(\d+) requests in .*Requests/sec:\s+([\d.]+)", output, re.DOTALL)
    assert found, output
    return Round(float(found[2]), used / int(found[1]) * 1e6)


def cpu_time(pid: int) -> float:
    """Seconds of CPU that a process has had so far, user and system (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rounds(servers: dict[str, tuple[int, int]], count: int, seconds: int) -> dict[str, list[Round]]:
    """Ask each server, by its port and process id, in each round; who is first changes."""
    found: dict[str, list[Round]] = {name: [] for name in servers}
    names = list(servers)
    for number in range(count):
        for name in names[number % 3 :] + names[: number % 3]:
            found[name].append(ask(*servers[name], seconds))
    return found


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def own_time(make_filter: Any, calls: int = 100_000) -> float:
    """Microseconds of CPU that a filter takes for a request, the line in the file included."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    def seconds(application: Any) -> float:
        environ = {"REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_USER_AGENT": "wrk"}
        setup_testing_defaults(environ)
        start = time.process_time()
        for _ in range(calls):
            application(dict(environ), lambda status, headers, exc_info=None: io.BytesIO.write)
        return time.process_time() - start

    filtered = make_filter(app)
    seconds(filtered)
    return min(seconds(filtered) - seconds(app) for _ in range(3)) / calls * 1e6


def filters_alone() -> dict[str, float]:
    """The own time of both filters, in microseconds, with a FileHandler as in wsgi.ini."""
    from paste.translogger import TransLogger

    from recipe.wsgi.accesslog import filter_factory

    logger = logging.getLogger("wsgi")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    with tempfile.NamedTemporaryFile() as file:
        handler = logging.FileHandler(file.name)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        try:
            return {
                OURS: own_time(filter_factory({})),
                PASTE: own_time(lambda app: TransLogger(app, setup_console_handler=False)),
            }
        finally:
            logger.removeHandler(handler)
            handler.close()


def main() -> None:
    """Measure, and print."""
    count, seconds = (int(text) for text in (sys.argv[1:] + ["15", "2"][len(sys.argv) - 1 :]))
    ports = {name: free_port() for name in (OURS, PASTE, NONE)}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        buildout = build(Path(directory), ports)
        servers = {}
        for name, port in ports.items():
            url = f"http://127.0.0.1:{port}/"
            servers[name] = (port, stack.enter_context(serving(buildout, name, url=url, clean_exit=False)).pid)
        rounds(servers, 1, 1)  # warm
        found = rounds(servers, count, seconds)
    print(f"{count} rounds of {seconds} s, {CONNECTIONS} connections, {os.cpu_count()} cores; medians (and quartiles)")
    for key, unit in (("rate", "requests/s"), ("cpu", "µs of CPU a request")):
        values = {name: [getattr(one, key) for one in found[name]] for name in found}
        for name in values:
            print(f"{name:6} {statistics.median(values[name]):8.1f} {unit}")
        for name in (OURS, PASTE):
            print(f"{name}/{NONE}  {spread([a / b for a, b in zip(values[name], values[NONE], strict=True)])}")
    page = statistics.median(one.cpu for one in found[NONE])
    for name, microseconds in filters_alone().items():
        print(f"{name:6} {microseconds:5.1f} µs of its own a request, {microseconds / page:.1%} of {page:.0f} µs")


if __name__ == "__main__":
    main()
