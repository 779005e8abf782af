"""The server: addresses, trouble, and its settings; with real sockets."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handmade import App, Client, Instance, accessible, get, rerun_where_all_can_read


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A directory with an application."""
    app = App(tmp_path)
    yield app
    app.close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


FORMS = ["{port}", "127.0.0.1:{port}", "localhost:{port}", "*:{port}", "[::1]:{port}", "unix:{path}"]


@pytest.mark.parametrize("form", FORMS)
def test_early_requests_wait(app: App, port: int, form: str) -> None:
    if "::1" in form and not has_ipv6():
        pytest.skip("no IPv6 here")
    path = str(app.directory / "http.sock")
    app.write(f"fast-listen = {form.format(port=port, path=path)}")
    process = app.start_at_gate()
    address: tuple[str, int] | str = ("::1" if "::1" in form else "127.0.0.1", port)
    if form.startswith("unix"):
        address = path
    with Client(address) as client:
        client.ask()
        assert "Serving" not in process.output
        app.open_gate()
        assert client.answer()[1] == f"pid {process.pid}"


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "unix:{path}"])
def test_listening_late(app: App, port: int, form: str) -> None:
    path = str(app.directory / "http.sock")
    address: tuple[str, int] | str = path if form.startswith("unix") else ("127.0.0.1", port)
    app.write(f"listen = {form.format(port=port, path=path)}")
    process = app.start_at_gate()
    assert "Serving" not in process.output
    with pytest.raises(ConnectionRefusedError):
        Client(address)
    app.open_gate()
    process.expect("Serving on")
    assert get(address).startswith("pid")


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_a_star_is_both_families(app: App, port: int) -> None:
    app.write(f"listen = *:{port}")
    app.serve()
    assert get(("127.0.0.1", port)) == get(("::1", port))


@pytest.mark.parametrize("setting", ["listen", "fast-listen"])
def test_several_and_mixed(app: App, port: int, setting: str) -> None:
    path = app.directory / "http.sock"
    app.write(f"{setting} = 127.0.0.1:{port} unix:{path} 127.0.0.2:{port}")
    process = app.serve()
    assert get(("127.0.0.1", port)) == get(str(path)) == get(("127.0.0.2", port))
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    assert not path.exists()


def test_waitress_settings(app: App, port: int) -> None:
    app.write(f"host = 127.0.0.1\nport = {port}\nthreads = 2\nident = Bobo\nasyncore_use_poll = on")
    app.serve()
    with Client(("127.0.0.1", port)) as client:
        client.ask()
        assert client.answer()[0]["server"] == "Bobo"


@pytest.mark.parametrize(
    "spelling",
    [
        "use = egg:plone.recipe.zope2instance#main\npaste.server_factory = plone.recipe.zope2instance:main",
        "#use =\npaste.server_factory = plone.recipe.zope2instance:main",
        "#use =\npaste.server_runner = recipe.wsgi.servers.waitress:serve",
    ],
)
def test_ways_to_name_the_server(app: App, port: int, spelling: str) -> None:
    app.write(f"{spelling}\nfast-listen = 127.0.0.1:{port}")
    app.serve()
    assert get(("127.0.0.1", port)).startswith("pid")


def failure(app: App) -> str:
    """Run the server, which must fail with one line; return that."""
    process = app.start()
    assert process.ended() == 1
    assert len(process.output.splitlines()) == 1, process.output
    return process.output


@pytest.mark.parametrize("setting", ["listen", "fast-listen"])
def test_a_taken_port(app: App, port: int, setting: str) -> None:
    app.write(f"{setting} = 127.0.0.1:{port}", application="paste.app_factory = nowhere:at_all")
    with socket.create_server(("127.0.0.1", port)):
        assert f"cannot listen on 127.0.0.1:{port}: the address is in use" in failure(app)


def test_a_port_taken_during_the_start(app: App, port: int) -> None:
    app.write(f"listen = 127.0.0.1:{port}")
    first = app.start_at_gate()
    app.serve()
    app.open_gate()
    assert first.ended() == 1
    assert first.output.splitlines()[-1].startswith(f"cannot listen on 127.0.0.1:{port}")


def test_a_stale_socket_is_replaced(app: App) -> None:
    path = app.directory / "http.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
    app.write(f"fast-listen = unix:{path}")
    app.serve()
    assert get(str(path)).startswith("pid")


def test_a_living_socket_is_not(app: App) -> None:
    path = app.directory / "http.sock"
    app.write(f"fast-listen = unix:{path}")
    app.serve()
    assert f"unix:{path}: the address is in use" in failure(app)
    assert get(str(path)).startswith("pid")


def test_a_file_in_the_socket_s_place_stays(app: App) -> None:
    path = app.directory / "http.sock"
    path.write_text("precious")
    app.write(f"fast-listen = unix:{path}")
    assert "a file of that name exists and is not a socket" in failure(app)
    assert path.read_text() == "precious"


def test_a_socket_taken_over_is_left_to_its_new_owner(app: App) -> None:
    path = app.directory / "http.sock"
    app.write(f"fast-listen = unix:{path}")
    first = app.serve()
    path.unlink()
    app.serve()
    first.send(signal.SIGTERM)
    assert first.ended() == 0
    assert get(str(path)).startswith("pid")


@pytest.mark.parametrize(
    ("server", "text"),
    [
        ("threads = 4", "[server:main] has no address"),
        ("listen = a:b:c", "too many colons"),
        ("listen = localhost:no-service", "'no-service' is not a port"),
        ("listen = no.such.host.invalid:80", "unknown host"),
        ("listen = 192.0.2.1:8080", "this machine has no such address"),
        ("listen = unix:relative", "absolute path"),
        ("listen = unix:/no/such/directory/socket", "No such file or directory"),
        ("listen = 127.0.0.1:0\nthreds = 3", "Unknown adjustment 'threds'"),
        ("listen = 127.0.0.1:0\nthreads = many", "'many'"),
        ("listen = 127.0.0.1:0\ngraceful_timeout = ever", "not a number of seconds"),
        ("use = egg:no.such.egg#main", "no.such.egg is not among the eggs"),
        ("use = egg:waitress#no", "no"),
        ("", "has no section [server:main]"),
    ],
)
def test_mistakes_take_one_line(app: App, server: str, text: str) -> None:
    app.write(server)
    assert text in failure(app)


def test_mistakes_in_the_application_take_one_line(app: App, port: int) -> None:
    app.write(f"listen = 127.0.0.1:{port}", application="use = egg:PasteDeploy#nothing")
    assert "nothing" in failure(app)
    app.write(
        f"listen = 127.0.0.1:{port}",
        application="use = call:application:factory",
        more="[pipeline:p]\npipeline = nobody a\n[filter-app:x]\n",
    )
    text = app.ini.read_text().replace("[app:main]", "[app:a]").replace("pipeline:p", "pipeline:main")
    app.ini.write_text(text)
    assert "'nobody'" in failure(app)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("level = INFO", "level = LOUD", "LOUD"),
        ("class = FileHandler", "class = NoHandler", "NoHandler"),
        ("event.log", "no/such/directory", "No such file or directory"),
        ("keys = console, eventlog", "keys = console", "eventlog"),
    ],
)
def test_mistakes_in_the_logging_take_one_line(app: App, port: int, old: str, new: str, text: str) -> None:
    app.write(f"listen = 127.0.0.1:{port}")
    app.ini.write_text(app.ini.read_text().replace(old, new))
    line = failure(app)
    assert "cannot set up the logs" in line
    assert text in line


def test_a_missing_or_broken_ini_takes_one_line(app: App) -> None:
    assert f"cannot read {app.ini}: No such file" in failure(app)
    app.ini.write_text("no ini")
    assert "is not an ini file" in failure(app)


def test_an_error_in_code_keeps_its_traceback(app: App, port: int) -> None:
    (app.directory / "broken.py").write_text("def factory(conf):\n    return {}['my key']\n")
    app.write(f"listen = 127.0.0.1:{port}", application="paste.app_factory = broken:factory")
    process = app.start()
    assert process.ended() == 1
    assert "return {}['my key']" in process.output
    assert "return {}['my key']" in app.log.read_text()


def test_a_directory_with_a_percent_sign(tmp_path: Path, port: int) -> None:
    directory = tmp_path / "50%(off) $HOME"
    directory.mkdir()
    app = App(directory)
    app.write(f"listen = 127.0.0.1:{port}\nident = %(here)s")
    text = app.ini.read_text().replace(f"'{directory}/event.log'", "r'%(here)s/here.log'")
    app.ini.write_text(text)
    try:
        app.serve()
        with Client(("127.0.0.1", port)) as client:
            client.ask()
            assert client.answer()[0]["server"] == str(directory)
        assert "Serving" in (directory / "here.log").read_text()
    finally:
        app.close()


def test_zope_s_runwsgi_takes_the_same_file(tmp_path: Path, port: int) -> None:
    app = Instance(tmp_path, port)
    slow = "paste.filter_app_factory = application:sleeper"
    app.write(
        f"fast-listen = 127.0.0.1:{port}",
        application=app.application().replace("use", "filter-with = slow\nuse"),
        more=f"[filter:slow]\n{slow}\n",
    )
    process = app.run("-m", "Zope2.Startup.serve", str(app.ini))
    process.expect("Serving on")
    with Client(("127.0.0.1", port)) as client:
        client.ask()
        time.sleep(0.2)
        process.send(signal.SIGTERM)
        assert "Zope" in client.answer()[1]
    assert process.ended() == 0
    with socket.create_server(("127.0.0.1", port)):
        process = app.run("-m", "Zope2.Startup.serve", str(app.ini))
        assert process.ended() == 1
        assert process.output.startswith(f"cannot listen on 127.0.0.1:{port}")
        assert len(process.output.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_becomes_another_user(app: App, port: int, request: pytest.FixtureRequest) -> None:
    if not accessible():
        rerun_where_all_can_read(request.node.nodeid)
        return
    nobody = pwd.getpwnam("nobody")
    directory = Path(tempfile.mkdtemp())
    try:
        app = App(directory)
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        path = directory / "http.sock"
        app.write(f"listen = 127.0.0.1:{port} unix:{path}")
        process = app.serve("--user", "nobody")
        status = Path(f"/proc/{process.pid}/status").read_text()
        fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == [str(nobody.pw_uid)] * 4
        assert fields["Gid"].split() == [str(nobody.pw_gid)] * 4
        assert "0" not in fields["Groups"].split()
        assert app.log.stat().st_uid == path.stat().st_uid == nobody.pw_uid
        process.send(signal.SIGTERM)
        assert process.ended() == 0
        assert not path.exists()
        process = app.start("--user", "nobody-of-that-name")
        assert process.ended() == 1
        assert "no user 'nobody-of-that-name'" in process.output
    finally:
        app.close()
        shutil.rmtree(directory)


def test_the_umask(app: App, port: int) -> None:
    app.write(f"listen = 127.0.0.1:{port}")
    app.serve("--umask", "027")
    assert app.log.stat().st_mode & 0o777 == 0o640


def test_imports_little() -> None:
    # What `recipe.wsgi` is to the server, buildout is not.
    code = (
        "import sys, recipe.wsgi.serve, recipe.wsgi.servers.waitress, recipe.common.pastefile;"
        "print([m for m in ('zc.buildout', 'Zope2', 'ZConfig') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_unix_socket_answers_without_a_host(tmp_path: Path) -> None:
    """Load balancers check so; the server's port must be a number then, too."""
    app = App(tmp_path)
    path = tmp_path / "http.sock"
    try:
        app.write(f"listen = unix:{path}", application="paste.app_factory = application:port_factory")
        (tmp_path / "application.py").write_text(
            "def port_factory(global_conf):\n"
            "    def app(environ, start_response):\n"
            "        body = str(int(environ['SERVER_PORT'])).encode()\n"
            "        start_response('200 OK', [('Content-Length', str(len(body)))])\n"
            "        return [body]\n"
            "    return app\n"
        )
        app.serve()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.0 200")
        assert answer.endswith(b"80")
    finally:
        app.close()
