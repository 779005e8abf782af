"""Instances and servers that a test writes by hand, without a run of buildout.

``App`` serves a small WSGI application, which starts at once; ``Instance`` is a Zope.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from support import CHECKOUT, locked, place_for_all
from waiting import wait_for, watch

#: The application's views: how long it takes, or what it tells.
APPLICATION = """
import logging
import os
import time

time.sleep(float(os.environ.get("SLOW_START", 0)))
@GATE@

def factory(global_conf, **settings):
    return application


def sleeper(app, global_conf):
    def slow(environ, start_response):
        time.sleep(0.5)
        return app(environ, start_response)

    return slow


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        begun()
        time.sleep(float(path[7:]))
    if path.startswith("/log/"):
        logging.getLogger("application").info(path[5:])
    body = environ["wsgi.input"].read() or b"pid %d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

LOGGING = """
[loggers]
keys = root
[handlers]
keys = console, eventlog
[formatters]
keys = generic
[logger_root]
level = INFO
handlers = console, eventlog
[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic
[handler_eventlog]
class = FileHandler
args = ('{log}', 'a')
level = NOTSET
formatter = generic
[formatter_generic]
format = %(asctime)s %(levelname)s [%(name)s] %(message)s
"""


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment, with more, and without what would disturb."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PLONE_ENV", "ZEO_TMP")}
    return kept | extra


class Process:
    """A process that a test has started; its output goes to a file."""

    def __init__(self, command: list[str], cwd: Path, **env: str) -> None:
        self.log = cwd / f"output-{time.monotonic_ns()}"
        with self.log.open("wb") as output:
            self.popen = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment(**env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pid = self.popen.pid
        watch(self.popen, self.log)

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.popen.send_signal(number)

    def ended(self, timeout: float = 20) -> int:
        """Wait until it has ended; return the exit status."""
        return self.popen.wait(timeout)

    def expect(self, text: str, timeout: float = 30) -> None:
        """Wait until it has printed `text`."""
        wait_for(
            lambda: text in self.output or self.popen.poll() is not None,
            timeout,
            lambda: f"{text!r} was not printed",
        )
        assert text in self.output, self.output

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()


#: What both applications of the tests do: they wait for a test, and let it know what they do.
GATE = """\
# It waits here until the test opens the gate; if the gate is for others, the first process passes
HERE = os.path.dirname(os.path.abspath(__file__))
if gate := os.environ.get("GATE"):
    try:
        os.close(os.open(os.path.join(HERE, "loading"), os.O_CREAT | os.O_EXCL))
        passes = gate == "others"
    except FileExistsError:
        passes = False
    while not passes and not os.path.exists(os.path.join(HERE, "open")):
        time.sleep(0.02)


def begun():
    with open(os.path.join(HERE, "begun"), "a") as file:
        file.write("x")
"""


class App:
    """A directory with a WSGI application and its wsgi.ini."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ini = directory / "wsgi.ini"
        self.log = directory / "event.log"
        self.processes: list[Process] = []
        (directory / "application.py").write_text(APPLICATION.replace("@GATE@", GATE))

    def write(self, server: str, *, more: str = "", application: str = "") -> None:
        """Write wsgi.ini, with these lines in ``[server:main]``."""
        application = application or "paste.app_factory = application:factory"
        lines = textwrap.dedent(server)
        if lines and "use =" not in lines:
            lines = f"use = egg:plone.recipe.zope2instance#main\n{lines}"
        text = f"[server:main]\n{lines}\n" if server else ""
        text += f"[app:main]\n{application}\n{more}" + LOGGING.format(log=self.log)
        self.ini.write_text(text)

    def start(self, *args: str, **env: str) -> Process:
        """Run the server, without waiting for anything."""
        return self.run("-m", "recipe.wsgi.serve", str(self.ini), *args, **env)

    def run(self, *args: str, **env: str) -> Process:
        """Run Python with these arguments; it finds the application."""
        path = os.pathsep.join(
            [str(self.directory), *filter(None, [env.pop("PYTHONPATH", os.environ.get("PYTHONPATH", ""))])]
        )
        process = Process([sys.executable, *args], self.directory, PYTHONPATH=path, **env)
        self.processes.append(process)
        return process

    def serve(self, *args: str, **env: str) -> Process:
        """Run the server, and wait until it serves."""
        process = self.start(*args, **env)
        process.expect("Serving on")
        return process

    def start_at_gate(self, *args: str, gate: str = "all", **env: str) -> Process:
        """Run the server, and return when it loads the application; that waits until `open_gate` is called.

        With the gate for ``others``, only the processes after the first one that loads the application wait.
        """
        process = self.start(*args, GATE=gate, **env)
        wait_for(lambda: (self.directory / "loading").exists() or process.popen.poll() is not None)
        assert process.popen.poll() is None, process.output
        return process

    def open_gate(self) -> None:
        """Let the application be loaded."""
        (self.directory / "open").touch()

    def begin(self, client: Client, seconds: float) -> None:
        """Send a request that takes so long, and return when the application has begun with it."""
        begun = self.directory / "begun"

        def count() -> int:
            return begun.stat().st_size if begun.exists() else 0

        before = count()
        client.ask(f"/sleep/{seconds}")
        wait_for(lambda: count() > before)

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            process.kill()


class Client:
    """A connection to a server, on which one says what one wants in plain HTTP."""

    def __init__(self, address: tuple[str, int] | str, timeout: float = 20) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.socket = socket.socket(family)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, text: str) -> None:
        """Send `text` as it is."""
        self.socket.sendall(text.encode())

    def ask(self, path: str = "/") -> None:
        """Send a request, and do not wait."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def answer(self) -> tuple[dict[str, str], str]:
        """Return the headers and the body of an answer, which must have status 200.

        Raises EOFError where the connection ends before the answer does.
        """
        status = self.file.readline().decode()
        if not status:
            raise EOFError("no answer")
        assert " 200 " in status, status
        headers: dict[str, str] = {}
        while (line := self.file.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            before = headers.get(name.lower())
            headers[name.lower()] = f"{before}, {value.strip()}" if before else value.strip()
        length = int(headers["content-length"])
        body = self.file.read(length).decode()
        if len(body) < length:
            raise EOFError("half an answer")
        return headers, body

    def get(self, path: str = "/") -> str:
        """Return what there is at `path`."""
        self.ask(path)
        return self.answer()[1]


def get(address: tuple[str, int] | str, path: str = "/") -> str:
    """Return what there is at `path`, over a connection of its own."""
    with Client(address) as client:
        return client.get(path)


def is_read(client: Client) -> bool:
    """Whether the server has read all that this client of 127.0.0.1 has sent (proc(5), ``/proc/net/tcp``)."""
    address = f":{client.socket.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines():
        _, _, remote, state, queues = line.split()[:5]
        if remote.endswith(address) and state == "01":  # the server's end, established
            return queues.endswith(":00000000")
    return False


def refused(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def asking(port: int, path: str, clients: int, *, lasting: bool = True) -> Iterator[tuple[list[str], list[str]]]:
    """Let clients ask without a pause, while the block runs; on connections that last, or not.

    Yields two lists that grow: the answers, and the errors of requests that got none in full.
    """
    over = threading.Event()
    answered: list[str] = []
    lost: list[str] = []

    def ask() -> None:
        while not over.is_set():
            try:
                client = Client(("127.0.0.1", port))
            except ConnectionRefusedError:
                time.sleep(0.005)
                continue
            with client:
                try:
                    while _ask_once(client, path, answered) and lasting and not over.is_set():
                        pass
                except (OSError, EOFError) as error:
                    lost.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answered, lost
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _ask_once(client: Client, path: str, answered: list[str]) -> bool:
    client.ask(path)
    headers, body = client.answer()
    answered.append(body)
    return "close" not in headers.get("connection", "")


ZOPE_CONF = """
%define INSTANCEHOME {home}
instancehome $INSTANCEHOME
%define CLIENTHOME {var}/instance
clienthome $CLIENTHOME
pid-filename {var}/instance.pid
debug-mode off
<zodb_db main>
    <filestorage>
        path {var}/filestorage/Data.fs
    </filestorage>
    mount-point /
</zodb_db>
"""

SITE_ZCML = '<configure xmlns="http://namespaces.zope.org/zope"><include package="Products.Five"/></configure>'


class Instance(App):
    """A Zope as the recipe lays it out: ``parts/instance``, ``var``, and ``bin/instance``."""

    def __init__(self, directory: Path, port: int) -> None:
        self.home = directory / "parts" / "instance"
        self.etc = self.home / "etc"
        self.var = directory / "var"
        for path in ("etc", "bin"):
            (self.home / path).mkdir(parents=True)
        for path in ("instance", "filestorage", "log"):
            (self.var / path).mkdir(parents=True)
        super().__init__(directory)
        self.port = port
        self.ini = self.etc / "wsgi.ini"
        self.log = self.var / "log" / "instance.log"
        self.zope_conf = self.etc / "zope.conf"
        self.pid_file = self.var / "instance.pid"
        self.interpreter = self.home / "bin" / "interpreter"
        self.script = directory / "bin" / "instance"
        self.zope_conf.write_text(ZOPE_CONF.format(home=self.home, var=self.var))
        (self.etc / "site.zcml").write_text(SITE_ZCML)
        self.write(f"fast-listen = 127.0.0.1:{port}", application=self.application())
        self._write_scripts()
        self.describe()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return ("127.0.0.1", self.port)

    def application(self) -> str:
        """Return the text of ``[app:main]`` for a Zope."""
        return f"use = egg:Zope#main\nzope_conf = {self.zope_conf}"

    def serve_application(self) -> None:
        """Serve the small application in the place of Zope: that starts at once."""
        self.write(f"fast-listen = 127.0.0.1:{self.port}")

    def describe(self, **facts: object) -> None:
        """Write instance.json; facts given replace the usual ones."""
        usual: dict[str, object] = {
            "name": "instance",
            "directory": str(self.directory),
            "zope_conf": str(self.zope_conf),
            "instance_home": str(self.home),
            "client_home": str(self.var / "instance"),
            "event_log": str(self.log),
            "pid_file": str(self.pid_file),
            "listen": [f"127.0.0.1:{self.port}"],
            "graceful_timeout": 30,
        }
        (self.etc / "instance.json").write_text(json.dumps(usual | facts))

    def _write_scripts(self) -> None:
        self.script.parent.mkdir()
        files = ["-C", str(self.zope_conf), "-p", str(self.interpreter), "-w", str(self.ini)]
        self.script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(self.directory)!r})\n"
            "import plone.recipe.zope2instance.ctl\n"
            f"sys.exit(plone.recipe.zope2instance.ctl.main({files!r} + sys.argv[1:]))\n"
        )
        # What zc.recipe.egg's interpreter does with the options that it knows.
        self.interpreter.write_text(
            f"#!{sys.executable}\nimport sys, runpy\n"
            f"sys.path.insert(0, {str(self.directory)!r})\n"
            "option, name, *sys.argv[1:] = sys.argv[1:]\n"
            "if option == '-c':\n"
            "    exec(name)\n"
            "else:\n"
            "    assert option == '-m'\n"
            "    runpy.run_module(name, {}, '__main__', alter_sys=True)\n"
        )
        for script in (self.script, self.interpreter):
            script.chmod(0o755)

    def call(self, *args: str, timeout: float = 60, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run ``bin/instance ARGS`` to its end."""
        return subprocess.run(
            [str(self.script), *args],
            cwd=self.directory,
            env=environment(**env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def background(self, *args: str, **env: str) -> Process:
        """Run ``bin/instance ARGS``, and do not wait."""
        process = Process([str(self.script), *args], self.directory, **env)
        self.processes.append(process)
        return process

    def close(self) -> None:
        """End what still runs, the daemon too."""
        with suppress(subprocess.TimeoutExpired):
            self.call("stop")
        super().close()


def accessible() -> bool:
    """Whether another user can run this Python, and find this checkout."""
    command = [sys.executable, "-c", "import recipe.wsgi.serve, urllib.request"]
    try:
        return subprocess.run(command, user="nobody", capture_output=True).returncode == 0
    except PermissionError:
        return False


#: Says that a test runs in the copy already: it must not make another one.
COPIED = "RECIPE_TEST_COPIED"

#: What a copy of Python and of its packages does without.
LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "__pycache__", "*.a", "mypy*", "sphinx*", "babel*", "ruff*"
)


def rerun_where_all_can_read(node: str) -> None:
    """Run a test again with a copy of Python and of this checkout that every user can read.

    `node` is the test's id. Python may lie in root's home, which is closed.
    """
    assert COPIED not in os.environ, "even the copy is closed to other users"
    python = visible_python()
    directory = Path(tempfile.mkdtemp(prefix="recipe-copy-"))
    try:
        directory.chmod(0o755)
        for name in ("src", "tests"):
            shutil.copytree(CHECKOUT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHECKOUT / "pyproject.toml", directory)
        done = subprocess.run(
            [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", node],
            cwd=directory,
            env=environment(
                PYTHONPATH=f"{directory}/src{os.pathsep}{python.parent.parent}/packages",
                # A Python built with a shared library looks for it where it was installed
                LD_LIBRARY_PATH=str(python.parent.parent / "lib"),
                **{COPIED: "1"},
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        shutil.rmtree(directory)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout, done.stdout


@cache
def visible_python() -> Path:
    """Return the program of a Python that every user can read, with this one's packages in ``packages``.

    It is a copy, made once for the same packages.
    """
    (packages,) = (path for path in sys.path if path.endswith("site-packages") and path.startswith(sys.prefix))
    content = "\n".join([sys.base_prefix, sys.version, *sorted(path.name for path in Path(packages).glob("*-info"))])
    place = place_for_all("python") / hashlib.sha256(content.encode()).hexdigest()[:8]
    with locked(place.parent / ".lock"):
        if not (place / "made").exists():
            shutil.rmtree(place, ignore_errors=True)
            copy_python(place)
            shutil.copytree(packages, place / "packages", ignore=LEFT_OUT)
            (place / "made").touch()
    return place / "bin" / "python{}.{}".format(*sys.version_info)


def copy_python(target: Path) -> None:
    """Copy the Python that this one's virtualenv is of."""
    base = Path(sys.base_prefix)
    version = "python{}.{}".format(*sys.version_info)
    (target / "bin").mkdir(parents=True)
    shutil.copy2((base / "bin" / version).resolve(), target / "bin" / version)
    shutil.copytree(base / "lib" / version, target / "lib" / version, ignore=_without_packages)
    for library in (base / "lib").glob("libpython*"):
        shutil.copy2(library, target / "lib")


def _without_packages(directory: str, names: list[str]) -> set[str]:
    return set(LEFT_OUT(directory, names)) | ({"site-packages"} & set(names))
