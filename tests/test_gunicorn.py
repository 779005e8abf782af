"""What only gunicorn has: its settings, and its classes of workers."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config

from handmade import LOGGING, Client, asking, get
from recipe.common.servers import GUNICORN
from waiting import wait_for
from wsgi_servers import Served, end, kill


@pytest.fixture
def served(tmp_path: Path, port: int) -> Iterator[Served]:
    served = Served(tmp_path, "gunicorn", port)
    yield served
    served.close()


def test_the_table_names_settings_that_it_has() -> None:
    known = Config().settings
    assert [name for name in GUNICORN.covered if name not in known] == []


@pytest.mark.parametrize(
    ("setting", "mistake"),
    [
        ("timeout = soon", "timeout: gunicorn refuses 'soon'"),
        ("keep_alive = 5", "keep_alive: is not a setting of gunicorn; did you mean keepalive?"),
        ("worker_class = no.such.Worker", "[server:main]: gunicorn: class uri 'no.such.Worker' invalid or not found\n"),
        ("http_protocols = h2", "http_protocols includes h2"),
        ("worker_class = gevent", "worker_class: 'gevent' opens its own sockets"),
    ],
)
def test_a_setting_that_it_does_not_take_is_told_in_one_line(served: Served, setting: str, mistake: str) -> None:
    served.configure(setting)
    process = served.start()
    assert process.ended(30) == 1
    assert mistake in process.output
    assert "Traceback" not in process.output


def test_one_process_serves(served: Served) -> None:
    served.configure()
    process = served.serve()
    assert get(served.address) == f"pid {process.pid}"
    end(process)


@pytest.mark.parametrize("settings", ["max_requests = 1000", "timeout = 60", "worker_class = sync\nthreads = 1"])
def test_a_worker_that_has_to_be_replaced_has_a_supervisor(served: Served, settings: str) -> None:
    served.configure(settings)
    process = served.serve()
    with Client(served.address) as client:
        served.begin(client, 1)
        process.send(signal.SIGTERM)
        assert client.answer()[1] != f"pid {process.pid}"
    assert process.ended() == 0


def test_a_worker_that_does_not_respond_is_replaced(served: Served) -> None:
    served.configure("workers = 2\nworker_class = sync\nthreads = 1\ntimeout = 2")
    process = served.serve()
    before = served.pids(2)
    with Client(served.address) as client:
        served.begin(client, 60)
        wait_for(lambda: "has not responded for 2 seconds; it is killed" in served.log.read_text())
    wait_for(lambda: len(served.pids(2) - before) == 1)
    end(process)


def test_a_request_that_takes_longer_is_answered_by_a_thread(served: Served) -> None:
    served.configure("timeout = 1")
    process = served.serve()
    assert get(served.address, "/sleep/3").startswith("pid ")
    end(process)
    assert "it is killed" not in served.log.read_text()


def test_metrics_are_sent(served: Served) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        served.configure(f"statsd_host = 127.0.0.1:{receiver.getsockname()[1]}")
        process = served.serve()
        get(served.address)
        while b"gunicorn.requests:1" not in receiver.recv(1000):
            pass
        end(process)


def test_its_own_settings_are_gone_by(served: Served) -> None:
    """A worker ends after five requests, and nobody is lost by it."""
    served.configure("max_requests = 5\nkeepalive = 7")
    process = served.serve()
    with asking(served.port, "/pid", clients=3, lasting=False) as (answered, lost):
        wait_for(lambda: len(set(answered)) >= 3)
    assert lost == []
    end(process)


def test_workers_that_take_one_client_at_a_time_share_them(served: Served) -> None:
    served.configure("workers = 2\nworker_class = sync\nthreads = 1")
    process = served.serve()
    served.pids(2)
    with Client(served.address) as busy:
        served.begin(busy, 4)
        start = time.monotonic()
        for _ in range(12):
            get(served.address)
        assert time.monotonic() - start < 3
        busy.answer()
    end(process)


def test_without_its_master_the_workers_end(served: Served) -> None:
    """Nobody may hold the address when a supervisor starts it again."""
    served.configure("workers = 2")
    first = served.serve()
    workers = served.pids(2)
    kill(first.pid)
    first.ended()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    second = served.serve()
    assert int(get(served.address).split()[1]) not in workers
    end(second)


def test_a_log_that_is_rotated_is_rotated_by_the_worker_alone(served: Served) -> None:
    served.configure("max_requests = 1000")
    text = served.ini.read_text()
    rotating = f"class = logging.handlers.RotatingFileHandler\nargs = ('{served.log}', 'a', 20000, 50)"
    plain = f"class = FileHandler\nargs = ('{served.log}', 'a')"
    assert plain in LOGGING.format(log=served.log)
    served.ini.write_text(text.replace(plain, rotating))
    process = served.serve()
    for number in range(100):
        worker = int(get(served.address, f"/log/line-{number}-{'x' * 500}").split()[1])
        if number % 30 == 10:
            kill(worker)  # the supervisor writes a line
    kill(worker)
    get(served.address)
    end(process)
    files = sorted(served.directory.glob("event.log*"))
    assert len(files) > 2
    lines = "".join(path.read_text() for path in files)
    assert [number for number in range(100) if f"line-{number}-" not in lines] == []
    # The newest one has the last of both
    assert "line-99-" in served.log.read_text()
    assert f"Worker {worker} ended with status -9; it is replaced" in served.log.read_text()
    assert max(path.stat().st_size for path in files) < 21000


def test_connections_that_idle_leave_room(served: Served) -> None:
    """A connection costs a thread only while a request is read and answered."""
    served.configure("threads = 2\nkeepalive = 30")
    process = served.serve()
    clients = [Client(served.address) for _ in range(20)]
    for client in clients:
        client.get()
    assert get(served.address).startswith("pid ")
    for client in clients:
        assert client.get().startswith("pid ")
        client.__exit__()
    end(process)


def test_its_log_goes_where_all_logs_go(served: Served) -> None:
    served.configure()
    process = served.serve()
    get(served.address)
    end(process)
    log = served.log.read_text()
    assert re.search(r"INFO \[gunicorn.error\] Serving on", log)
    assert len(re.findall("Serving on", process.output)) == 1
    assert "GET / HTTP" not in log


def test_tidying_up_behind_its_back_does_no_harm(served: Served) -> None:
    """Systems remove from /tmp what nobody has used for days."""
    temporary = served.directory / "tmp"
    temporary.mkdir()
    served.configure("max_requests = 1000")
    process = served.serve(TMPDIR=str(temporary))
    before = int(get(served.address).split()[1])
    for directory in temporary.glob("zope-workers-*"):
        shutil.rmtree(directory)
    kill(before)
    wait_for(lambda: int(get(served.address).split()[1]) != before)
    (served.directory / "broken").write_text("for a while")
    kill(int(get(served.address).split()[1]))
    wait_for(lambda: "for a while" in served.log.read_text())
    (served.directory / "broken").unlink()
    assert get(served.address).startswith("pid ")
    end(process)
