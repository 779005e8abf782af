"""Signals that come often, and together: the server ends once, with status 0, and stays ended."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from handmade import App, Client, Instance, refused
from recipe.common.servers import SERVERS
from waiting import wait_for
from wsgi_servers import Served, battery

STOPS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
OTHERS = [signal.SIGUSR1, signal.SIGUSR2]

#: Each server, and each that has workers with two of them.
TEAMS = [
    pytest.param(*param.values, workers, marks=param.marks, id=f"{param.values[0]}-{workers}")
    for workers in (1, 2)
    for param in battery(*(name for name, server in SERVERS.items() if workers == 1 or server.workers))
]


@pytest.fixture
def served(tmp_path: Path, port: int, server: str, workers: int) -> Iterator[Served]:
    app = Served(tmp_path, server, port)
    app.configure("workers = 2" if workers == 2 else "")
    yield app
    app.close()


def storm(pid: int, numbers: list[signal.Signals], pause: float) -> None:
    """Send signals, until the process has ended."""
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        time.sleep(pause)


@pytest.mark.parametrize(("server", "workers"), TEAMS)
def test_it_ends_once(served: Served) -> None:
    """Each time with one that has answered on a connection that stays."""
    for numbers, pause in (
        ([signal.SIGTERM] * 2, 0.02),
        ([signal.SIGTERM] * 10, 0.02),
        ([signal.SIGINT] * 2, 0.3),
        (random.choices(STOPS + OTHERS, k=60), 0.02),
    ):
        process = served.serve()
        with Client(served.address) as client:
            client.get()
            storm(process.pid, numbers, pause)
            if not set(numbers) & set(STOPS):
                process.send(signal.SIGTERM)
            assert process.ended() == 0, f"{numbers}\n{process.output}"
        assert "Traceback" not in process.output, f"{numbers}\n{process.output}"


def test_it_ends_once_while_it_starts(tmp_path: Path, port: int) -> None:
    app = Served(tmp_path, "waitress", port)
    app.configure()
    try:
        for number in range(8):
            process = app.start(SLOW_START="0.2")
            wait_for(partial(catches, process.pid, signal.SIGTERM))
            time.sleep(number * 0.05)
            storm(process.pid, [*random.choices(STOPS + OTHERS, k=30), signal.SIGTERM], 0.01)
            assert process.ended() == 0, process.output
            assert "Traceback" not in process.output
    finally:
        app.close()


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal (proc(5))."""
    with suppress(FileNotFoundError):
        text = Path(f"/proc/{pid}/status").read_text()
        return bool(int(text.partition("SigCgt:")[2].split()[0], 16) & 1 << number - 1)
    return False


def test_a_killed_server_is_not_started_again(instance: Instance) -> None:
    """Of ten signals, none is taken for a crash by the daemon manager."""
    assert instance.call("start").returncode == 0
    pid = json.loads(instance.call("status", "--json").stdout)["pid"]
    storm(pid, [signal.SIGTERM] * 10, 0.02)
    assert instance.call("wait", timeout=20).returncode == 0
    assert instance.call("status").returncode == 3


#: A server of another package whose threads do not end, and which drops what a signal raises.
STUBBORN = """
import threading, time

def serve(app, conf):
    threading.Thread(target=time.sleep, args=(60,), name="worker").start()
    print("stubborn", flush=True)
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass
"""


def test_a_stubborn_server_is_ended(app: App) -> None:
    (app.directory / "servers.py").write_text(STUBBORN)
    app.write("#use =\npaste.server_runner = servers:serve")
    process = app.start("--graceful-timeout", "1")
    process.expect("stubborn")
    begin = time.monotonic()
    process.send(signal.SIGINT)
    assert process.ended() == 0
    assert time.monotonic() - begin < 2
    assert "have not ended within 1 seconds: MainThread, worker" in app.log.read_text()


def test_a_stop_that_the_application_drops_while_it_is_imported(app: App, port: int) -> None:
    with (app.directory / "application.py").open("a") as file:
        file.write("begun()\ntry:\n    time.sleep(2)\nexcept BaseException:\n    pass\n")
    app.write(f"listen = 127.0.0.1:{port}")
    process = app.start()
    wait_for((app.directory / "begun").exists)
    process.send(signal.SIGTERM)
    assert process.ended(10) == 0
    assert "Serving on" not in process.output


@pytest.mark.one_python
@pytest.mark.parametrize("server", ["use = egg:dataflake.wsgi.cheroot#main", "paste.server_runner = servers:bjoern"])
def test_a_server_that_waits_for_clients(app: App, port: int, server: str) -> None:
    """The threads of dataflake.wsgi.cheroot wait for the next request, and the loop in C of bjoern does."""
    runner = "import bjoern as b\ndef bjoern(app, conf, host, port): b.run(app, host, int(port))"
    (app.directory / "servers.py").write_text(runner)
    app.write(f"#use =\n{server}\nhost = 127.0.0.1\nport = {port}")
    process = app.start("--graceful-timeout", "1")
    wait_for(lambda: not refused(port))
    clients = [Client(("127.0.0.1", port)) for _ in range(5)]
    for client in clients:
        client.get()
    begin = time.monotonic()
    process.send(signal.SIGINT)
    assert process.ended() == 0
    assert time.monotonic() - begin < 2
    for client in clients:
        client.socket.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path)
    yield app
    app.close()


def test_a_thread_of_an_add_on_does_not_keep_the_process(app: App, port: int) -> None:
    with (app.directory / "application.py").open("a") as file:
        file.write("import threading\nthreading.Thread(target=time.sleep, args=(60,), name='add-on').start()\n")
    app.write(f"listen = 127.0.0.1:{port}")
    process = app.serve("--graceful-timeout", "1")
    process.send(signal.SIGTERM)
    assert process.ended(5) == 0
    assert "have not ended within 1 seconds: add-on" in app.log.read_text()


@pytest.mark.parametrize("command", ["kill", "logreopen"])
@pytest.mark.parametrize(
    "other",
    [
        ("tail", "-f"),
        # As strace has it, and other programs that run the server
        ("sh", "-c", "sleep 60; :", sys.executable, "-m", "recipe.wsgi.serve"),
        (sys.executable, "-c", "import time; time.sleep(60)", "-m", "recipe.wsgi.serve", "other.ini"),
    ],
    ids=["tail", "shell", "python"],
)
def test_another_process_gets_no_signal(instance: Instance, command: str, other: tuple[str, ...]) -> None:
    """A program that only names wsgi.ini, whose process id is in a pid file that was left over."""
    with subprocess.Popen([*other, instance.ini], stdout=subprocess.DEVNULL, start_new_session=True) as process:
        wait_for(lambda: str(instance.ini) in Path(f"/proc/{process.pid}/cmdline").read_text())
        instance.pid_file.write_text(f"{process.pid}\n")
        done = instance.call(command)
        alive = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        assert (done.returncode, "daemon process not running" in done.stderr) == (3, True)
        assert alive
