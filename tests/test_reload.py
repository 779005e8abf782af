"""A server is replaced while clients write: nothing is refused, nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from handmade import Client, Instance, Process, get, refused
from recipe.common.address import parse
from recipe.common.servers import SERVERS
from recipe.common.supervision import Channel
from recipe.wsgi import sockets
from recipe.wsgi.shared_sockets import OwnSockets
from recipe.wsgi.sockets import adopt, bind, has_waiting_clients
from storages import Site, assert_all_there, parts, reading, writing
from support import Buildout, free_port
from waiting import wait_for
from wsgi_servers import battery

#: Each server, and each that has workers with two of them.
TEAMS = [
    pytest.param(*param.values, workers, marks=param.marks, id=f"{param.values[0]}-{workers}")
    for workers in (1, 2)
    for param in battery(*(name for name, server in SERVERS.items() if workers == 1 or server.workers))
]

VARIANTS = {
    "filestorage": "",
    "late": "http-fast-listen = off\nfile-storage = var/late/Data.fs\nblob-storage = var/late/blobs",
}


def status(buildout: Buildout, name: str) -> dict[str, object]:
    values: dict[str, object] = json.loads(buildout.call(f"bin/{name}", "status", "--json", check=False).stdout)
    return values


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Buildout, dict[str, int]]]:
    buildout = Buildout(tmp_path_factory.mktemp("reload") / "buildout")
    text, ports = parts("eggs = Zope", VARIANTS)
    buildout.write(text)
    buildout.run()
    yield buildout, ports
    for name in VARIANTS:
        buildout.call(f"bin/{name}", "stop", check=False)


@pytest.mark.parametrize("name", ["filestorage", "late"])
def test_nothing_is_refused_or_lost(built: tuple[Buildout, dict[str, int]], name: str) -> None:
    buildout, ports = built
    buildout.call(f"bin/{name}", "start")
    before = status(buildout, name)
    site = Site(f"http://127.0.0.1:{ports[name]}")
    site.write("first", "first")
    with writing(site) as load, reading(f"{site.url}/@@keys") as read:
        load.wait_for_more(20)
        for _ in range(3):
            done = buildout.call(f"bin/{name}", "reload", check=False)
            assert done.returncode == 0, done.stdout
            assert done.stdout == f"daemon process reloaded, pid={before['pid']}\n"
            load.wait_for_more(20)
    assert (load.refused, read.refused) == ([], [])
    assert_all_there(load, site)
    after = status(buildout, name)
    assert after["pid"] == before["pid"]
    assert after["server"] != before["server"]
    pid_file = buildout.directory / f"var/{name}.pid"
    assert int(pid_file.read_text()) == before["pid"]
    buildout.call(f"bin/{name}", "stop")
    assert not pid_file.exists()


def started(instance: Instance) -> dict[str, Any]:
    assert instance.call("start").returncode == 0
    return state(instance)


def state(instance: Instance) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(instance.call("status", "--json").stdout)
    return values


def test_a_successor_that_fails_leaves_the_server(instance: Instance) -> None:
    before = started(instance)
    (instance.directory / "broken.py").write_text("def factory(conf):\n    raise RuntimeError('my fault')\n")
    sound = instance.ini.read_text()
    instance.ini.write_text(sound.replace("application:factory", "broken:factory"))
    done = instance.call("reload")
    assert done.returncode == 1
    assert "my fault" in done.stderr
    assert "the server keeps running with its old configuration" in done.stderr
    assert state(instance)["server"] == before["server"]
    assert get(instance.address) == f"pid {before['server']}"
    instance.ini.write_text(sound)
    assert instance.call("reload").returncode == 0
    assert state(instance)["pid"] == before["pid"]


def test_a_request_under_way_is_finished_by_the_old_server(instance: Instance) -> None:
    before = started(instance)
    with Client(instance.address) as client:
        instance.begin(client, 2)
        assert instance.call("reload").returncode == 0
        assert get(instance.address) == f"pid {state(instance)['server']}"
        assert client.answer()[1] == f"pid {before['server']}"
    wait_for(lambda: not is_there(before["server"]))


@pytest.mark.parametrize(("name", "workers"), TEAMS)
def test_each_server_is_replaced(instance: Instance, name: str, workers: int) -> None:
    """Clients over new connections, and one over a connection that it keeps as long as the server does."""
    settings = f"workers = {workers}" if workers > 1 else ""
    entry = SERVERS[name].entry_point
    instance.write(f"use = egg:plone.recipe.zope2instance#{entry}\nfast-listen = 127.0.0.1:{instance.port}\n{settings}")
    before = started(instance)
    servers = {before["server"]}
    for _ in range(3):
        with asking_at(instance.address) as (answers, errors):
            wait_for(partial(has_more, answers, 20))
            done = instance.call("reload")
            assert done.returncode == 0, done.stderr
            wait_for(partial(has_more, answers, len(answers) + 20))
        assert errors == []
        servers.add(state(instance)["server"])
        wait_for(lambda: len(children(before["pid"])) == 1)
    assert len(servers) == 4
    assert state(instance)["pid"] == before["pid"]


def test_hangup_reloads(instance: Instance) -> None:
    before = started(instance)
    os.kill(before["pid"], signal.SIGHUP)
    wait_for(lambda: state(instance)["server"] != before["server"])
    wait_for(lambda: not is_there(before["server"]))
    assert get(instance.address) == f"pid {state(instance)['server']}"
    assert instance.call("kill", "HUP").stdout == f"signal SIGHUP sent to process {before['pid']}\n"


def test_the_new_server_has_the_new_files(instance: Instance, port: int) -> None:
    """Another address, which is bound before the old one is let go, and other code."""
    started(instance)
    other = free_port()
    instance.write(f"fast-listen = 127.0.0.1:{port} 127.0.0.1:{other}")
    code = instance.directory / "application.py"
    code.write_text(code.read_text().replace('b"pid %d"', 'b"new  %d"'))
    assert instance.call("reload").returncode == 0
    server = state(instance)["server"]
    assert get(instance.address) == get(("127.0.0.1", other)) == f"new  {server}"
    instance.write(f"fast-listen = 127.0.0.1:{other}")
    assert instance.call("reload").returncode == 0
    wait_for(lambda: refused(port))
    assert get(("127.0.0.1", other)).startswith("new ")
    with socket.create_server(("127.0.0.1", port)):
        instance.write(f"fast-listen = 127.0.0.1:{port} 127.0.0.1:{other}")
        done = instance.call("reload")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: the address is in use" in done.stderr
    assert get(("127.0.0.1", other)).startswith("new ")


def test_a_unix_socket(instance: Instance, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    instance.write(f"fast-listen = unix:{path}")
    before = started(instance)
    for _ in range(2):
        with asking_at(path) as (answers, errors):
            assert instance.call("reload").returncode == 0
        assert errors == []
        assert f"pid {state(instance)['server']}" in answers
    assert os.listdir(tmp_path).count("s") == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith("s.")]
    assert state(instance)["pid"] == before["pid"]
    assert instance.call("stop").returncode == 0
    assert not os.path.exists(path)


def test_clients_wait_while_a_crashed_server_is_started_again(instance: Instance) -> None:
    before = started(instance)
    with asking_at(instance.address) as (answers, errors):
        os.kill(before["server"], signal.SIGKILL)
        wait_for(lambda: any(answer != f"pid {before['server']}" for answer in answers))
    # One that was connected has lost its answer; nobody was refused
    assert not [error for error in errors if "refused" in error.lower()]


@pytest.mark.parametrize("times", [40])
def test_many_reloads_leave_nothing_behind(instance: Instance, times: int) -> None:
    before = started(instance)
    supervisor = f"/proc/{before['pid']}"
    assert instance.call("reload").returncode == 0
    wait_for(lambda: len(children(before["pid"])) == 1)
    descriptors = len(os.listdir(f"{supervisor}/fd"))
    for _ in range(times):
        assert instance.call("reload").returncode == 0
    wait_for(lambda: len(children(before["pid"])) == 1)
    wait_for(lambda: len(os.listdir(f"{supervisor}/fd")) <= descriptors)


def has_more(answers: list[str], number: int) -> bool:
    return len(answers) > number


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@contextmanager
def asking_at(address: tuple[str, int] | str) -> Iterator[tuple[list[str], list[str]]]:
    """Let a client ask without a pause, over a new connection each time, while the block runs."""
    answers: list[str] = []
    errors: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answers.append(get(address))
            except (OSError, EOFError) as error:
                errors.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield answers, errors
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("name", ["waitress", "gunicorn"])
def test_workers_are_forked_from_a_loaded_application(instance: Instance, name: str) -> None:
    """A worker that is killed is replaced at once, although the application takes two seconds to load."""
    instance.write(
        f"use = egg:plone.recipe.zope2instance#{SERVERS[name].entry_point}\n"
        f"fast-listen = 127.0.0.1:{instance.port}\nworkers = 2"
    )
    instance.describe(workers=2)
    assert instance.call("start", SLOW_START="2").returncode == 0
    [first, second] = state(instance)["workers"]
    time.sleep(1)  # a worker that ends soon after its start is replaced after a second
    os.kill(first, signal.SIGKILL)
    begin = time.monotonic()
    wait_for(lambda: len(set(state(instance)["workers"]) - {first, second}) == 1)
    assert time.monotonic() - begin < 1.5
    assert "would not survive" not in instance.log.read_text()


def test_what_does_not_survive_a_fork_is_named(instance: Instance) -> None:
    code = instance.directory / "application.py"
    code.write_text(
        code.read_text() + "\nimport select, socket, subprocess, threading\nheld = socket.socket()\n"
        "pipe, epoll, child = os.pipe(), select.epoll(), subprocess.Popen(['sleep', '5'])\n"
        "threading.Thread(target=time.sleep, args=(600,), name='mail', daemon=True).start()\n"
    )
    instance.write(f"fast-listen = 127.0.0.1:{instance.port}\nworkers = 2")
    instance.describe(workers=2)
    before = started(instance)
    log = instance.log.read_text()
    text = "Each worker loads the application itself, since this would not survive a fork: the thread mail; a child pr"
    assert text in log
    assert all(text in log for text in ("; an open socket (", "; pipe:[", "; anon_inode:[eventpoll] ("))
    assert len(state(instance)["workers"]) == 3  # with the child process
    with asking_at(instance.address) as (answers, errors):
        assert instance.call("reload").returncode == 0
        wait_for(partial(has_more, answers, len(answers) + 20))
    assert errors == []
    assert state(instance)["pid"] == before["pid"]


@pytest.mark.parametrize("file_remains", [True, False])
def test_a_crashed_server_returns_to_its_unix_socket(instance: Instance, tmp_path: Path, file_remains: bool) -> None:
    """After a reload the kernel knows the socket by a name that no longer exists."""
    path = tmp_path / "s"
    instance.write(f"fast-listen = unix:{path}")
    before = started(instance)
    assert instance.call("reload").returncode == 0
    server = state(instance)["server"]
    if not file_remains:
        path.unlink()
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: state(instance)["server"] not in (0, server) and path.exists())
    assert get(str(path)) == f"pid {state(instance)['server']}"
    assert instance.call("reload").returncode == 0
    assert get(str(path)) == f"pid {state(instance)['server']}"
    assert state(instance)["pid"] == before["pid"]
    assert not [name for name in os.listdir(tmp_path) if name.startswith("s.")]


def test_a_failed_reload_leaves_no_file_of_a_unix_socket(instance: Instance, tmp_path: Path) -> None:
    """Even if the path is as long as one may be."""
    path = str(tmp_path) + "/" + "s" * (106 - len(str(tmp_path)))
    instance.write(f"fast-listen = unix:{path}")
    started(instance)
    (instance.directory / "broken.py").write_text("def factory(conf):\n    raise RuntimeError('my fault')\n")
    sound = instance.ini.read_text()
    instance.ini.write_text(sound.replace("application:factory", "broken:factory"))
    assert "my fault" in instance.call("reload").stderr
    assert [name for name in os.listdir(tmp_path) if name.startswith("s")] == [os.path.basename(path)]
    instance.ini.write_text(sound)
    assert instance.call("reload").returncode == 0
    assert get(path) == f"pid {state(instance)['server']}"


def test_an_adopted_socket_accepts_clients_again(port: int) -> None:
    """The server before it has blocked new clients, and has then been killed."""
    [listener] = bind(parse(f"127.0.0.1:{port}"), early=True, backlog=5, permissions=0o600)
    listener.block_new_clients()
    with adopt(os.dup(listener.socket.fileno())), socket.create_connection(("127.0.0.1", port), timeout=1):
        listener.close()


def test_sockets_are_grouped_by_the_address_that_they_have() -> None:
    """A host name may stand for two addresses of a family: they are no siblings, and none is closed."""
    found = [bind(parse(f"{host}:0"), early=False, backlog=5, permissions=0) for host in ("127.0.0.1", "127.0.0.2")]
    listeners = [listener for [listener] in found]
    both = [replace(listener, address=parse("localhost:0"), predecessors=1) for listener in listeners]
    shared = OwnSockets(both, 2, 5)
    names = [[listener.socket.getsockname()[0] for listener in shared.listeners_of(number)] for number in (0, 1)]
    assert names == [["127.0.0.1", "127.0.0.2"]] * 2
    for listener in shared.listeners:
        listener.close()


#: It opens a database when it is loaded, and not when `bin/instance` checks the configuration.
WITH_STORAGE = """
import threading, ZODB.config
plain = factory

def factory(global_conf, **settings):
    global database
    database = ZODB.config.databaseFromString("<zodb>\\n<filestorage>\\npath PATH\\n</filestorage>\\n</zodb>")
    MORE
    return plain(global_conf, **settings)
"""
WRITES = "with database.transaction() as connection: connection.root()[os.getpid()] = 1"
THREAD = "threading.Thread(target=time.sleep, args=(600,), name='mail', daemon=True).start()"


@pytest.mark.parametrize(
    ("more", "settings", "why"),
    [
        (WRITES, "", "the application writes to its database while it is loaded"),
        (THREAD, "", "these threads may keep its database: mail"),
        (
            "",
            "use = egg:plone.recipe.zope2instance#gunicorn\nmax_requests = 9000",
            "another process has the database open",
        ),
        ("", "", "the server that runs has this port under another address"),
    ],
    ids=["writes", "thread", "pool", "address"],
)
def test_what_needs_a_restart_is_named(instance: Instance, more: str, settings: str, why: str) -> None:
    code = instance.directory / "application.py"
    added = WITH_STORAGE.replace("PATH", str(instance.directory / "Data.fs")).replace("MORE", more or "pass")
    code.write_text(code.read_text() + added)
    instance.write(f"{settings}\nfast-listen = 127.0.0.1:{instance.port}")
    before = started(instance)
    if "address" in why:
        instance.write(f"fast-listen = 0.0.0.0:{instance.port}")
    done = instance.call("reload")
    assert (done.returncode, state(instance)["server"]) == (1, before["server"])
    assert f"{why}; run " in done.stderr
    done = instance.call("restart")
    assert done.returncode == 0, done.stderr
    assert f"{why}\n" in done.stdout
    assert state(instance)["server"] != before["server"]


def test_clients_that_wait_for_a_synchronous_worker_are_answered(instance: Instance) -> None:
    """One request is under way, and others wait in the backlog when the server is replaced."""
    instance.write(
        f"use = egg:plone.recipe.zope2instance#gunicorn\nworker_class = sync\nthreads = 1\n"
        f"fast-listen = 127.0.0.1:{instance.port}"
    )
    before = started(instance)
    [worker] = children(before["server"])
    with Client(instance.address) as busy, Client(instance.address) as waiting, Client(instance.address) as last:
        instance.begin(busy, 1)
        for client in (waiting, last):
            client.ask()
        assert instance.call("reload").returncode == 0
        assert {client.answer()[1] for client in (busy, waiting, last)} == {f"pid {worker}"}
    assert state(instance)["pid"] == before["pid"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux directs clients")
def test_the_old_workers_do_not_take_the_clients_back(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them ends while the new workers start, and so the others direct the clients to themselves."""
    address = parse(f"127.0.0.1:{port}")

    def workers() -> OwnSockets:
        shared = OwnSockets(bind(address, early=False, backlog=50, permissions=0), 2, 50)
        shared.listen(0)
        shared.set_serving(0, serves=True)
        shared.distribute()
        return shared

    old = workers()
    monkeypatch.setattr(sockets, "taken", {str(address): 2})
    new = workers()
    old.set_serving(1, serves=True)
    old.distribute()
    new.distribute()
    with ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert has_waiting_clients(new.listeners_of(0))
        assert not has_waiting_clients(old.listeners)
    for listener in (*old.listeners, *new.listeners):
        listener.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's supervisor has clients of another user")
def test_the_user_of_the_server_runs_no_command_as_root(instance: Instance) -> None:
    before = started(instance)
    directory = instance.var / "instance"
    os.chown(directory / "zopectlsock", 65534, 65534)
    order = json.dumps({"command": ["/bin/touch", str(instance.directory / "mine")]})
    code = (
        f"import os, socket; os.chdir({str(directory)!r}); os.setuid(65534); sock = socket.socket(socket.AF_UNIX)\n"
        f"sock.connect('zopectlsock'); sock.sendall(b'reload ' + {order!r}.encode() + b'\\n'); print(sock.recv(999))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "done" in done.stdout, done.stderr
    assert not (instance.directory / "mine").exists()
    assert state(instance)["server"] != before["server"]


def loading(instance: Instance, before: dict[str, Any], seconds: str = "20") -> Process:
    """Begin a reload whose server takes so long to load; return when that server loads."""
    code = instance.directory / "application.py"
    factory = "def factory(global_conf, **settings):\n"
    code.write_text(code.read_text().replace(factory, f"{factory}    begun()\n    time.sleep({seconds})\n"))
    process = instance.background("reload")
    wait_for((instance.directory / "begun").exists)
    code.write_text(code.read_text().replace(f"sleep({seconds})", "sleep(0)"))
    return process


def test_stop_lets_a_retired_server_finish(instance: Instance) -> None:
    started(instance)
    with Client(instance.address) as client:
        instance.begin(client, 3)
        assert instance.call("reload").returncode == 0
        assert instance.call("stop").returncode == 0
        assert client.answer()[1].startswith("pid ")


def test_a_crash_while_the_successor_loads(instance: Instance) -> None:
    """The next server has the sockets of the one that has crashed; the reload waits for it."""
    before = started(instance)
    reload = loading(instance, before, "2")
    with asking_at(instance.address) as (answers, errors):
        wait_for(partial(has_more, answers, 5))
        os.kill(before["server"], signal.SIGKILL)
        assert reload.ended() == 0, reload.output
        wait_for(lambda: f"pid {state(instance)['server']}" in answers)
    assert not [error for error in errors if "refused" in error.lower()]


def test_a_crash_while_the_retired_server_ends(instance: Instance) -> None:
    before = started(instance)
    with Client(instance.address) as client:
        instance.begin(client, 6)
        assert instance.call("reload").returncode == 0
        os.kill(state(instance)["server"], signal.SIGKILL)
        wait_for(lambda: state(instance)["server"])
        assert get(instance.address) == f"pid {state(instance)['server']}"
        assert client.answer()[1] == f"pid {before['server']}"
    wait_for(lambda: len(children(before["manager"])) == 1)
    assert get(instance.address) == f"pid {state(instance)['server']}"


def test_a_second_reload_takes_the_place_of_one_that_hangs(instance: Instance) -> None:
    before = started(instance)
    loading(instance, before, "600").kill()
    assert instance.call("reload").returncode == 0
    assert state(instance)["server"] != before["server"]
    wait_for(lambda: len(children(before["manager"])) == 1)


def test_kill_during_a_reload_stops_the_server(instance: Instance) -> None:
    before = started(instance)
    reload = loading(instance, before)
    assert instance.call("kill").returncode == 0
    assert reload.ended() == 1
    assert reload.output == "instance: the server has been stopped\n"
    wait_for(lambda: not is_there(before["manager"]))


def test_a_reload_after_a_crash_starts_one_server(instance: Instance) -> None:
    """The server has died soon after its start, and is started again after a second."""
    before = started(instance)
    os.kill(before["server"], signal.SIGKILL)
    wait_for(lambda: state(instance)["pid"] is None)
    done = instance.call("reload")
    assert done.stdout == f"daemon process reloaded, pid={before['manager']}\n", done.stderr
    assert children(before["manager"]) == [str(state(instance)["server"])]
    # The pipe of `start` is not there any more
    assert "--report" not in Path(f"/proc/{state(instance)['server']}/cmdline").read_text()


def test_wrong_commands_do_not_end_the_supervisor(instance: Instance) -> None:
    before = started(instance)
    for line in ("kill 999", "reload {", 'reload {"command": 5}', "kill 99999999999999999999"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(instance.var / "instance" / "zopectlsock"))
            sock.sendall(f"{line}\n".encode())
            assert sock.recv(999).startswith(b"Bad command: ")
    assert state(instance)["server"] == before["server"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_pid_file_stays(instance: Instance, workers: int) -> None:
    code = instance.directory / "application.py"
    pid_file = f"import App.config\nApp.config.getConfiguration().pid_filename = {str(instance.pid_file)!r}\n"
    code.write_text(pid_file + code.read_text())
    instance.write(f"fast-listen = 127.0.0.1:{instance.port}\nworkers = {workers}")
    before = started(instance)
    for _ in range(2):
        assert instance.call("reload").returncode == 0
        wait_for(lambda: len(children(before["manager"])) == 1)
        assert int(instance.pid_file.read_text()) == before["manager"]
    assert instance.call("stop").returncode == 0
    assert not instance.pid_file.exists()


def test_the_server_ends_with_its_supervisor(instance: Instance) -> None:
    before = started(instance)
    os.kill(before["manager"], signal.SIGKILL)
    wait_for(lambda: not is_there(before["server"]))


def test_an_address_in_another_form_needs_a_restart(instance: Instance, port: int) -> None:
    before = started(instance)
    instance.write(f"fast-listen = 0.0.0.0:{port}")
    done = instance.call("reload")
    assert "the server that runs has this port under another address; run `instance restart`" in done.stderr
    assert state(instance)["server"] == before["server"]
    done = instance.call("restart")
    assert done.returncode == 0, done.stderr
    assert "stopping the server first, since cannot listen on" in done.stdout


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_successor_that_ends_leaves_no_socket(instance: Instance, tmp_path: Path, is_killed: bool) -> None:
    path = str(tmp_path / "s")
    instance.write(f"fast-listen = unix:{path}")
    before = started(instance)
    reload = loading(instance, before, "600")
    assert [name for name in os.listdir(tmp_path) if name.startswith("s.")]
    [successor] = {*map(int, children(before["manager"]))} - {before["server"]}
    os.kill(successor, signal.SIGKILL if is_killed else signal.SIGTERM)
    assert reload.ended() == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith("s.")]
    assert get(path) == f"pid {before['server']}"


def test_the_successor_dies_while_the_retired_server_ends(built: tuple[Buildout, dict[str, int]]) -> None:
    """The next server waits for the FileStorage as the successor has; its clients wait, too."""
    buildout, ports = built
    buildout.call("bin/filestorage", "start")
    before = status(buildout, "filestorage")
    old, manager = int(str(before["server"])), int(str(before["manager"]))
    os.kill(manager, signal.SIGHUP)
    os.kill(old, signal.SIGSTOP)
    seen = {None, old}
    try:
        for _ in range(2):
            wait_for(lambda: status(buildout, "filestorage")["server"] not in seen)
            server = int(str(status(buildout, "filestorage")["server"]))
            seen.add(server)
            if len(seen) == 3:
                os.kill(server, signal.SIGKILL)
    finally:
        os.kill(old, signal.SIGCONT)
    Site(f"http://127.0.0.1:{ports['filestorage']}").write("after", "after")
    assert status(buildout, "filestorage")["server"] == server
    buildout.call("bin/filestorage", "stop")


def test_a_message_with_many_sockets() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        addresses = [str(number) for number in range(600)]
        Channel(ours).send({"event": "bound", "sockets": addresses}, [ours.fileno()] * 600)
        channel = Channel(theirs)
        messages: list[dict[str, Any]] = []
        while not messages:
            messages = channel.receive() or []
        descriptors = dict(messages[0]["sockets"])
        assert list(descriptors) == addresses
        assert len(set(descriptors.values())) == 600
        for descriptor in descriptors.values():
            os.close(descriptor)
