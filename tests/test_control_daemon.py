"""The server in the background: start, stop, status, restart, and what may go wrong."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from handmade import (
    Client,
    Instance,
    Process,
    accessible,
    asking,
    get,
    refused,
    rerun_where_all_can_read,
)
from support import free_port
from waiting import wait_for


def started(instance: Instance, *options: str, **env: str) -> int:
    """Start the server; return its process id."""
    done = instance.call(*options, "start", timeout=60, stdin="", **env)
    assert done.returncode == 0, done.stderr
    return pid_in(done.stdout, "daemon process started, pid=")


def pid_in(text: str, before: str) -> int:
    found = re.fullmatch(rf"{before}(\d+)\n", text)
    assert found, text
    return int(found[1])


def server(instance: Instance) -> int:
    """Return the process id of the server, which its supervisor may replace."""
    status = json.loads(instance.call("status", "--json").stdout)
    return int(status["server"])


def running(instance: Instance) -> bool:
    done = instance.call("status")
    assert done.returncode == (0 if done.stdout.startswith("program running") else 3)
    return done.returncode == 0


def test_a_day(instance: Instance) -> None:
    done = instance.call("status")
    assert (done.stdout, done.returncode) == ("daemon manager not running\n", 3)
    assert instance.call("stop").stdout == "daemon manager not running\n"
    pid = started(instance)
    assert get(instance.address) == f"pid {server(instance)}"
    done = instance.call("status")
    assert (done.stdout, done.returncode) == (f"program running; pid={pid}\n", 0)
    assert re.findall(r"\d+", done.stdout) == [str(pid)]
    done = instance.call("start")
    assert (done.stdout, done.returncode) == (f"daemon process already running; pid={pid}\n", 0)
    status = json.loads(instance.call("status", "--json").stdout)
    assert (status["running"], status["pid"], status["name"]) == (True, pid, "instance")
    first = status["server"]
    assert abs(status["since"] - time.time()) < 30
    assert status["listen"] == [f"127.0.0.1:{instance.port}"]
    done = instance.call("restart")
    assert pid_in(done.stdout, "daemon process restarted, pid=") == pid
    assert server(instance) != first
    assert get(instance.address) == f"pid {server(instance)}"
    done = instance.call("stop")
    assert (done.stdout, done.returncode) == ("daemon process stopped\n", 0)
    assert refused(instance.port)
    assert not running(instance)
    status = json.loads(instance.call("status", "--json").stdout)
    assert status["running"] is False
    done = instance.call("restart")
    pid_in(done.stdout, "daemon process started, pid=")


def test_wait_and_kill(instance: Instance) -> None:
    done = instance.call("kill")
    assert done.returncode == 3
    assert "daemon process not running" in done.stderr
    assert instance.call("wait").returncode == 0
    started(instance)
    waiting = instance.background("wait")
    time.sleep(0.5)
    assert waiting.popen.poll() is None
    for name in ("USR2", "sigusr2", "12"):
        done = instance.call("kill", name)
        assert done.stdout == f"signal SIGUSR2 sent to process {server(instance)}\n"
    assert instance.call("kill", "NO").returncode == 2
    assert get(instance.address) == f"pid {server(instance)}"
    assert instance.call("kill").returncode == 0
    assert waiting.ended() == 0
    assert waiting.output == "daemon process stopped\n"


def test_a_crash_is_mended(instance: Instance) -> None:
    started(instance)
    pid = server(instance)
    instance.call("kill", "KILL")

    def another_answers() -> bool:
        # The port of a process that is being killed may still take a connection, and drop it
        with suppress(OSError, EOFError):
            return get(instance.address) != f"pid {pid}"
        return False

    wait_for(another_answers)
    assert running(instance)


def test_logs_and_transcript(instance: Instance) -> None:
    for command in ("logreopen", "reopen_transcript"):
        assert instance.call(command).returncode == 3
    started(instance)
    instance.log.rename(instance.log.with_suffix(".1"))
    assert instance.call("logreopen").returncode == 0
    wait_for(instance.log.exists)
    assert instance.call("reopen_transcript").returncode == 0
    assert get(instance.address) == f"pid {server(instance)}"


def test_start_waits_until_it_serves(instance: Instance) -> None:
    instance.write(f"listen = 127.0.0.1:{instance.port}")
    begin = time.monotonic()
    started(instance, SLOW_START="1.5")
    assert time.monotonic() - begin > 1.5
    assert get(instance.address) == f"pid {server(instance)}"


def test_start_tells_why_it_failed(instance: Instance) -> None:
    instance.log.write_text("old line\n")
    (instance.directory / "broken.py").write_text(
        "import logging\nlogging.getLogger('x').error('last words')\n"
        "def factory(conf):\n    raise RuntimeError('my fault')\n"
    )
    instance.write("listen = 127.0.0.1:0", application="paste.app_factory = broken:factory")
    done = instance.call("start")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "last words" in done.stderr
    assert "RuntimeError: my fault" in done.stderr
    assert "old line" not in done.stderr
    assert done.stderr.count("my fault") == 2  # the statement, and what came of it
    assert not running(instance)
    with socket.create_server(instance.address):
        instance.serve_application()
        done = instance.call("start")
        assert done.returncode == 1
        assert done.stderr.count("the address is in use") == 1
    assert not running(instance)
    instance.interpreter.write_text(
        instance.interpreter.read_text().replace(
            "import sys, runpy", "import sys, runpy\nif 'recipe.wsgi.serve' == sys.argv[2]: sys.exit(7)"
        )
    )
    done = instance.call("start")
    assert done.returncode == 1
    assert "the server ended without a message" in done.stderr
    assert not running(instance)


def test_a_server_not_our_own(instance: Instance) -> None:
    instance.write(
        f"use = egg:waitress#main\nlisten = 127.0.0.1:{instance.port}",
    )
    started(instance)
    assert get(instance.address) == f"pid {server(instance)}"
    assert instance.call("stop").returncode == 0


def test_stop_loses_no_request(instance: Instance) -> None:
    started(instance)
    with Client(instance.address) as client:
        instance.begin(client, 1.5)
        assert instance.call("stop").returncode == 0
        assert client.answer()[1].startswith("pid")


def test_restarts_lose_no_request(instance: Instance) -> None:
    started(instance)
    with asking(instance.port, "/sleep/0.05", clients=4) as (answered, lost):
        for _ in range(4):
            assert instance.call("restart").returncode == 0
    assert len(set(answered)) >= 4
    assert lost == []


def test_the_graceful_timeout(instance: Instance) -> None:
    instance.describe(graceful_timeout=1)
    started(instance)
    with Client(instance.address) as client:
        instance.begin(client, 20)
        begin = time.monotonic()
        assert instance.call("stop").returncode == 0
        assert time.monotonic() - begin < 5


def test_two_starts_at_once(instance: Instance) -> None:
    processes = [instance.background("start", SLOW_START="1") for _ in range(3)]
    assert [process.ended() for process in processes] == [0, 0, 0]
    texts = sorted(process.output for process in processes)
    pid = pid_in(texts[2], "daemon process started, pid=")
    assert texts[:2] == [f"daemon process already running; pid={pid}\n"] * 2


def test_many_ask_at_once(instance: Instance) -> None:
    pid = started(instance)
    code = (
        "from recipe.control import manager;"
        f"found = {{manager.state({str(instance.var / 'instance')!r}).pid for _ in range(200)}};"
        "print(*found)"
    )
    processes = [instance.run("-c", code) for _ in range(4)]
    assert [process.ended() for process in processes] == [0, 0, 0, 0]
    assert {process.output for process in processes} == {f"{pid}\n"}


def test_start_while_fg_runs(instance: Instance) -> None:
    process = instance.background("fg")
    process.expect("Serving on")
    done = instance.call("start")
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert get(instance.address) == f"pid {process.pid}"


def test_a_stale_socket(instance: Instance) -> None:
    path = instance.var / "instance" / "zopectlsock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    assert not running(instance)
    assert instance.call("stop").returncode == 0
    begin = time.monotonic()
    started(instance)
    assert time.monotonic() - begin < 5


def test_a_killed_manager(instance: Instance) -> None:
    """The server ends with it, so that the next one can start."""
    pid = started(instance)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: refused(instance.port))
    assert not running(instance)
    started(instance)


def test_deep_directories(tmp_path: Path, port: int) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    instance = Instance(deep, port)
    instance.serve_application()
    try:
        test_a_day(instance)
    finally:
        instance.close()


def test_odd_names(tmp_path: Path, port: int) -> None:
    odd = tmp_path / "a b'c\"d$HOME%s&"
    odd.mkdir()
    instance = Instance(odd, port)
    instance.serve_application()
    # The log's name is a Python string in wsgi.ini.
    text = instance.ini.read_text().replace(f"'{instance.log}'", repr(str(instance.log)))
    instance.ini.write_text(text.replace("%s&", "%%s&"))
    done = subprocess.run([sys.executable, str(instance.script), "start"], capture_output=True, text=True)
    try:
        assert done.returncode == 0, done.stderr
        assert get(instance.address).startswith("pid")
    finally:
        subprocess.run([sys.executable, str(instance.script), "stop"], capture_output=True)


def test_umask_directory_and_environment(instance: Instance) -> None:
    (instance.directory / "application.py").write_text(
        "import os\ndef factory(conf):\n    def app(environ, start_response):\n"
        "        body = f\"{os.getcwd()} {os.umask(0o22):o} {os.environ['WHO']}\".encode()\n"
        "        start_response('200 OK', [('Content-Length', str(len(body)))])\n"
        "        return [body]\n    return app\n"
    )
    (instance.directory / ".env").write_text("WHO=env\n")
    started(instance, "--umask", "007")
    assert get(instance.address) == f"{instance.home} 7 env"


def test_after_a_rebuild(instance: Instance, port: int) -> None:
    """The part changed while the server runs: its var directory, its port."""
    pid = started(instance)
    moved = instance.directory / "moved"
    (moved / "instance").mkdir(parents=True)
    log = str(moved / instance.log.name)
    instance.describe(client_home=str(moved / "instance"), event_log=log, listen=[])
    instance.write("listen = nowhere")
    assert instance.call("status").stdout == f"program running; pid={pid}\n"
    tail = instance.background("logtail")
    tail.expect("Serving on")
    tail.kill()
    done = instance.call("restart")
    assert done.returncode == 1
    assert "'nowhere' is not a port" in done.stderr
    assert "the server keeps running" in done.stderr
    assert get(instance.address) == f"pid {server(instance)}"
    instance.write(f"listen = 127.0.0.2:{port}")
    done = instance.call("restart")
    assert pid_in(done.stdout, "daemon process restarted, pid=") == pid
    assert get(("127.0.0.2", port)) == f"pid {server(instance)}"
    wait_for(lambda: refused(port))
    assert instance.call("stop").stdout == "daemon process stopped\n"


def test_a_client_home_that_is_not_there(instance: Instance) -> None:
    instance.describe(client_home="/no/such/place")
    done = instance.call("start")
    assert done.returncode == 1
    assert done.stderr == "instance: cannot open /no/such/place: No such file or directory\n"
    assert not running(instance)


def can(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not can("unshare", "-pf", "true"), reason="takes a PID namespace")
@pytest.mark.parametrize("number", ["TERM", "HUP", "INT"])
def test_console_as_pid_1(instance: Instance, number: str) -> None:
    """As in a container: signals without a handler do nothing to the first process."""
    command = ["unshare", "--pid", "--fork", "--kill-child", str(instance.script), "console"]
    process = Process(command, instance.directory)
    instance.processes.append(process)
    process.expect("Serving on")
    assert get(instance.address) == "pid 1"
    inner = subprocess.check_output(["ps", "--ppid", str(process.pid), "-o", "pid="], text=True)
    instance.log.rename(instance.log.with_suffix(".1"))
    os.kill(int(inner), signal.SIGUSR2)
    wait_for(instance.log.exists)
    os.kill(int(inner), signal.Signals[f"SIG{number}"])
    assert process.ended(5) == 0


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of its own, which has no room left."""
    place = tmp_path / "full"
    place.mkdir()
    if not can("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)):
        pytest.skip("takes a file system of its own")
    try:
        with suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_for_the_database(instance: Instance, full_disk: Path) -> None:
    instance.write("fast-listen = 127.0.0.1:0", application=instance.application())
    conf = instance.zope_conf.read_text()
    data = str(instance.var / "filestorage" / "Data.fs")
    instance.zope_conf.write_text(conf.replace(data, f"{full_disk}/Data.fs"))
    done = instance.call("start")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not running(instance)


def test_a_full_disk_for_the_pid_file(instance: Instance, full_disk: Path) -> None:
    instance.write(f"fast-listen = 127.0.0.1:{instance.port}", application=instance.application())
    conf = instance.zope_conf.read_text()
    instance.zope_conf.write_text(conf.replace(str(instance.pid_file), f"{full_disk}/pid"))
    pid = started(instance)
    assert "cannot write the pid file" in instance.log.read_text()
    assert instance.call("status").stdout == f"program running; pid={pid}\n"
    assert instance.call("stop").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_disk_for_the_log(instance: Instance) -> None:
    text = instance.ini.read_text()
    instance.ini.write_text(text.replace(str(instance.log), "/dev/full"))
    started(instance)  # logging gets lost, serving does not
    assert get(instance.address) == f"pid {server(instance)}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_starts_it_for_another_user(port: int, request: pytest.FixtureRequest) -> None:
    if not accessible():
        rerun_where_all_can_read(request.node.nodeid)
        return
    nobody = pwd.getpwnam("nobody")
    directory = Path(tempfile.mkdtemp())
    instance = Instance(directory, port)
    try:
        instance.serve_application()
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        instance.describe(effective_user="nobody")
        inituser = instance.home / "inituser"
        inituser.write_text("admin:secret")
        os.chown(instance.zope_conf, 0, 0)
        for secret in (inituser, instance.zope_conf):
            secret.chmod(0o600)
        pid = started(instance)
        # Zope, which is nobody by then, has to read them
        assert inituser.stat().st_uid == instance.zope_conf.stat().st_uid == nobody.pw_uid
        assert Path(f"/proc/{server(instance)}").stat().st_uid == nobody.pw_uid
        sock = instance.var / "instance" / "zopectlsock"
        assert sock.stat().st_uid == instance.log.stat().st_uid == nobody.pw_uid
        command = [str(instance.script)]
        done = subprocess.run([*command, "status"], user="nobody", capture_output=True, text=True)
        assert done.stdout == f"program running; pid={pid}\n"
        done = subprocess.run([*command, "stop"], user="nobody", capture_output=True, text=True)
        assert done.stdout == "daemon process stopped\n"
        instance.describe(effective_user="nobody-of-that-name")
        done = instance.call("start")
        assert done.returncode == 1
        assert "no user 'nobody-of-that-name'" in done.stderr
        instance.describe(effective_user="nobody")
        os.chown(instance.var / "instance", 0, 0)
        (instance.var / "instance").chmod(0o755)
        done = subprocess.run([*command, "start"], user="nobody", capture_output=True, text=True)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "Permission denied" in done.stderr
    finally:
        instance.close()
        shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_who_can_write_to_neither_bin_nor_parts(port: int, request: pytest.FixtureRequest) -> None:
    if not accessible():
        rerun_where_all_can_read(request.node.nodeid)
        return
    nobody = pwd.getpwnam("nobody")
    directory = Path(tempfile.mkdtemp())
    instance = Instance(directory, port)
    try:
        instance.serve_application()
        directory.chmod(0o755)
        for path in [instance.var, *instance.var.rglob("*"), instance.log.parent]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)

        def call(*args: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([str(instance.script), *args], user="nobody", capture_output=True, text=True)

        done = call("start")
        assert done.stdout.startswith("daemon process started, pid="), done.stderr
        assert call("status").stdout == done.stdout.replace("daemon process started,", "program running;")
        assert call("stop").stdout == "daemon process stopped\n"
    finally:
        instance.close()
        shutil.rmtree(directory)


def test_another_server_with_another_address(instance: Instance) -> None:
    """Scripts edit the address in wsgi.ini; another server than ours cannot tell that it serves."""
    other = free_port()
    instance.write(f"use = egg:waitress#main\nlisten = 127.0.0.1:{other}")
    begin = time.monotonic()
    started(instance)
    assert time.monotonic() - begin < 45  # it would wait for 60 s for what it knows from instance.json
    assert get(("127.0.0.1", other)).startswith("pid ")


@pytest.mark.parametrize("log", ["other.log", None])
def test_logtail_after_the_log_was_renamed(instance: Instance, log: str | None) -> None:
    started(instance)
    instance.describe(event_log=log and str(instance.var / log))
    tail = instance.background("logtail")
    tail.expect("Serving on")


def test_stop_tells_of_a_server_without_a_manager(instance: Instance) -> None:
    process = instance.background("console")
    process.expect("Serving on")
    instance.pid_file.write_text(str(process.pid))  # as a Zope does
    done = instance.call("stop")
    assert (done.returncode, done.stdout) == (1, "daemon manager not running\n")
    assert f"the server runs in the foreground (fg or console) as process {process.pid}; " in done.stderr
    assert instance.call("kill").returncode == 0
    assert process.ended() == 0
