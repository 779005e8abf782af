"""What the tests use to run real buildouts and real servers.

A test writes a buildout, runs it and talks to what it made::

    def test_it_serves(buildout: Buildout, port: int) -> None:
        buildout.instance(f"http-address = 127.0.0.1:{port}")
        buildout.run()
        with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
            assert server.response.status == 200

Everything that takes long is made once and kept in ``.cache`` in the checkout: a virtualenv with
zc.buildout, the eggs, and the develop link to this checkout. So a run of buildout takes a second.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from constraints import FILES, VARIANTS, pins
from waiting import wait_for, watch

CHECKOUT = Path(__file__).resolve().parent.parent
TESTS = CHECKOUT / "tests"
CACHE = CHECKOUT / ".cache"
PYTHON = "{}.{}".format(*sys.version_info)

#: What belongs to this Python and these versions, in the names of what is kept.
KEY = "-".join([PYTHON, *VARIANTS])

#: Where the eggs go; another directory can be given, to share it between checkouts.
EGGS = Path(os.environ.get("RECIPE_TEST_EGGS", CACHE / "eggs")).resolve()

#: What the virtualenv for the tests' buildouts holds.
BUILDOUT_REQUIREMENTS = ("zc.buildout", "setuptools", "wheel", "packaging", "pip", "platformdirs")

#: Variables that would change what buildout or the server does, and come from the test runner.
UNWANTED_VARIABLES = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PLONE_ENV", "CHAMELEON_CACHE"
)  # fmt: skip


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a buildout or a server: this one's, less what would disturb."""
    environment = {k: v for k, v in os.environ.items() if k not in UNWANTED_VARIABLES}
    return environment | dict(extra or {})


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens on at the moment.

    It is below those that the system gives to clients (from 32768 up): until a server has it, no
    connection that another test opens can take it.
    """
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


# --- what is made once -----------------------------------------------------------------------


@dataclass(frozen=True)
class Toolchain:
    """What all the tests' buildouts share."""

    bin: Path
    """The directory of the virtualenv's programs, with ``buildout`` and ``python``."""
    home: Path
    """What ``BUILDOUT_HOME`` names: its ``default.cfg`` applies to every buildout."""
    develop_eggs: Path
    """The develop-eggs directory with the link to this checkout."""


@cache
def toolchain(*topics: str) -> Toolchain:
    """Make, or find made, what all the tests' buildouts share.

    The work is done under locks, because test processes run side by side. Raises RuntimeError with what
    buildout printed if the eggs of one of these `topics` of ``eggs.cfg`` cannot be installed.
    """
    tools = Toolchain(
        bin=CACHE / f"buildout-{KEY}" / "bin",
        home=CACHE / f"buildout-home-{KEY}",
        develop_eggs=CACHE / f"develop-eggs-{KEY}",
    )
    CACHE.mkdir(exist_ok=True)
    with locked(CACHE / f".lock-{KEY}"):
        _make_virtualenv(tools.bin.parent)
        _write_defaults(tools)
        _link_checkout(tools)
    with locked(EGGS / f".lock-{PYTHON}"):
        _fill_eggs(tools, BASE, REFERENCE)
        # All at once: a part of which the eggs directory has changed is looked at again
        for topic in EARLY_TOPICS:
            with suppress(RuntimeError):
                _fill_eggs(tools, topic)
        for topic in topics:
            _fill_eggs(tools, topic)
    return tools


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is not there, and its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def place_for_all(name: str) -> Path:
    """Return the directory of this name, which every user can read, and where things are kept between runs.

    It is in the directory of the eggs. If other users cannot read that, it is one in the directory for
    temporary files; raises AssertionError if somebody else has made that.
    """
    kept = EGGS / name
    if not all(path.stat().st_mode & 0o005 == 0o005 for path in (EGGS, *EGGS.parents) if path.exists()):
        kept = Path(tempfile.gettempdir()) / f"recipe-{name}-{hashlib.sha256(os.fsencode(EGGS)).hexdigest()[:16]}"
    kept.mkdir(mode=0o755, parents=True, exist_ok=True)
    assert kept.lstat().st_uid == os.geteuid(), f"{kept} is another user's"
    return kept


def _make_virtualenv(directory: Path) -> None:
    """Make a virtualenv with zc.buildout, unless it has been made from the same pins."""
    versions = pins()
    requirements = [f"{name}=={versions[name]}" for name in BUILDOUT_REQUIREMENTS]
    stamp = directory / "requirements.txt"
    wanted = "\n".join(requirements)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(directory, ignore_errors=True)
    _call([sys.executable, "-m", "venv", str(directory)])
    _call([str(directory / "bin/python"), "-m", "pip", "install", "--quiet", *requirements])
    stamp.write_text(wanted)


def _write_defaults(tools: Toolchain) -> None:
    """Write the user's defaults, by which the buildouts' own text stays as a user writes it."""
    tools.home.mkdir(exist_ok=True)
    tools.develop_eggs.mkdir(exist_ok=True)
    # BUILDOUT_HOME/default.cfg: https://www.buildout.org/en/latest/topics/user-defaults.html
    _write_if_changed(
        tools.home / "default.cfg",
        textwrap.dedent(
            f"""\
            [buildout]
            extends = {" ".join(map(str, FILES))}
            allow-picked-versions = false
            develop-eggs-directory = {tools.develop_eggs}
            eggs-directory = {EGGS}
            newest = false
            """
        ),
    )


def _link_checkout(tools: Toolchain) -> None:
    """Link this checkout as a develop egg, again when its metadata have changed.

    buildout's ``develop`` runs pip each time, for three seconds: once is enough, since the link
    is to the directory, and only the entry points and requirements are copied.
    """
    sources = [CHECKOUT / name for name in ("setup.py", "pyproject.toml")]
    link = tools.develop_eggs / "plone.recipe.zope2instance.egg-link"
    newest = max(path.stat().st_mtime for path in sources)
    if link.is_file() and link.stat().st_mtime > newest:
        return
    with tempfile.TemporaryDirectory() as directory:
        _buildout(tools, Path(directory), f"[buildout]\nparts =\ndevelop = {CHECKOUT}\n")


def _topics() -> dict[str, tuple[str, ...]]:
    """Return the words of each topic of ``eggs.cfg``."""
    parser = ConfigParser(interpolation=None)
    parser.read(TESTS / "eggs.cfg")
    return {name: tuple(parser[name].get("words", "").split()) for name in parser.sections()}


#: The topic that all buildouts need, and the words in a buildout by which it needs another one.
(BASE, _), *_others = _topics().items()
TOPICS = dict(_others)

#: What is installed before the first test that runs a buildout; the rest when a test needs it.
EARLY_TOPICS = os.environ.get("RECIPE_TEST_TOPICS", " ".join(TOPICS)).split()


def _fill_eggs(tools: Toolchain, topic: str, *more: str) -> None:
    """Install the eggs of a topic, and of more buildouts, unless that has been done for the same lists.

    In a run of the tests in which it has failed it is not tried again.
    """
    lists = [TESTS / "eggs.cfg", *FILES, CHECKOUT / "setup.py"]
    lists += [CHECKOUT / f"examples/{name}/versions.cfg" for name in ("basic", "cluster")]
    content = b"".join(path.read_bytes() for path in lists)
    stamp = EGGS / f".filled-{KEY}-{topic}-{hashlib.sha256(content).hexdigest()[:16]}"
    failed = stamp.with_suffix(".failed")
    this_run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    if stamp.exists():
        return
    if failed.exists() and failed.read_text(encoding="utf-8").startswith(this_run):
        raise RuntimeError(failed.read_text(encoding="utf-8").partition("\n")[2])
    try:
        for text in (f"[buildout]\nextends = {TESTS / 'eggs.cfg'}\nparts = {topic}\n", *more):
            with _staged() as eggs, tempfile.TemporaryDirectory() as directory:
                _buildout(tools, Path(directory), text, f"buildout:eggs-directory={eggs}")
    except RuntimeError as error:
        message = f"the eggs of the topic {topic} in tests/eggs.cfg cannot be installed: {error}"
        failed.write_text(f"{this_run}\n{message}", encoding="utf-8")
        raise RuntimeError(message) from error
    stamp.touch()


@contextmanager
def _staged() -> Iterator[Path]:
    """Make a directory with links to all eggs, and move there what the block has added.

    Two buildouts that install into one directory at the same time disturb each other, and so does one
    that looks for eggs there meanwhile.
    """
    stage = Path(tempfile.mkdtemp(prefix=".stage-", dir=EGGS))
    try:
        # zc.buildout 5 and newer keep theirs in a directory below
        (stage / "v5").mkdir()
        for egg in (*EGGS.glob("*.egg"), *EGGS.glob("v5/*.egg")):
            (stage / egg.relative_to(EGGS)).symlink_to(egg)
        yield stage
        (EGGS / "v5").mkdir(exist_ok=True)
        for egg in (*stage.glob("*.egg"), *stage.glob("v5/*.egg")):
            target = EGGS / egg.relative_to(stage)
            if not egg.is_symlink() and not target.exists():
                with suppress(OSError):  # Another topic may have brought it in the meantime
                    egg.rename(target)
                assert target.exists(), target
    finally:
        shutil.rmtree(stage)


#: The egg of 9.1.0, which some tests compare with. Without the link to this checkout, which would win.
REFERENCE = """
[buildout]
parts = reference
develop-eggs-directory = develop-eggs
[versions]
plone.recipe.zope2instance = 9.1.0
[reference]
recipe = zc.recipe.egg:eggs
eggs = plone.recipe.zope2instance
"""


def _buildout(tools: Toolchain, directory: Path, text: str, *args: str) -> None:
    (directory / "buildout.cfg").write_text(text, encoding="utf-8")
    _call(
        [str(tools.bin / "buildout"), *args],
        cwd=directory,
        # Python compiles what is imported, and that is not much of it
        env=clean_environment({"BUILDOUT_HOME": str(tools.home), "PIP_NO_COMPILE": "1"}),
    )


def _call(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run ``command``; raise an error with all that it printed when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")


def _write_if_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


# --- a buildout ------------------------------------------------------------------------------


@dataclass
class Buildout:
    """A directory in which a test writes a buildout and runs it."""

    directory: Path

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # Buildout reports real paths, and a temporary directory may be reached by a link.
        self.directory = self.directory.resolve()

    def write(self, text: str, name: str = "buildout.cfg") -> Path:
        """Write ``text``, less its common indentation, to the file ``name``; return its path."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def instance(self, options: str = "", *, recipe: str = "plone.recipe.zope2instance") -> Path:
        """Write a buildout with the one part ``instance``, which has these ``options``.

        ``user = admin:admin`` is given already. Text after the options may open more sections.
        """
        head = "[buildout]\nparts = instance\n\n[instance]\n"
        lines = f"recipe = {recipe}\nuser = admin:admin\n"
        return self.write(head + lines + textwrap.dedent(options).lstrip("\n"))

    def run(
        self,
        *args: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``buildout ARGS`` here, without a terminal.

        Returns the completed process; ``stdout`` has all that it printed, on either stream. With
        ``check``, a failed run is an AssertionError that shows the output.
        """
        tools = toolchain(*self._topics(args))
        return self.call(
            str(tools.bin / "buildout"),
            *args,
            check=check,
            env={"BUILDOUT_HOME": str(tools.home)} | dict(env or {}),
            timeout=timeout,
        )

    def _topics(self, args: tuple[str, ...]) -> list[str]:
        """Return the topics of ``eggs.cfg`` of which a word occurs in the buildout that these arguments name."""
        name = args[args.index("-c") + 1] if "-c" in args else "buildout.cfg"
        text = self._with_bases(self.directory / name) + " ".join(args)
        return [topic for topic, words in TOPICS.items() if any(word in text for word in words)]

    def _with_bases(self, path: Path) -> str:
        """Return the text of a buildout, and of the files that it extends."""
        if not path.is_file():
            return ""
        text = path.read_text(encoding="utf-8")
        for bases in re.findall(r"^extends\s*=(.*(?:\n[ \t].*)*)", text, re.MULTILINE):
            text += "".join(self._with_bases(path.parent / base) for base in bases.split())
        return text

    def call(
        self,
        program: str,
        *args: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run ``program ARGS`` here, by a path from here (``bin/instance``) or an absolute one.

        What it prints is in ``stdout``, on either stream; ``check`` as for ``run``.
        """
        done = subprocess.run(
            [str(self.directory / program), *args],
            cwd=self.directory,
            env=clean_environment(env),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            command = " ".join([program, *args])
            raise AssertionError(f"{command} exited with {done.returncode}:\n{done.stdout}")
        return done

    def part(self, name: str = "instance") -> Path:
        """Return the directory of the part ``name``."""
        return self.directory / "parts" / name

    def read(self, path: str) -> str:
        """Return the text of a file, by its path from here (``parts/instance/etc/zope.conf``)."""
        return (self.directory / path).read_text(encoding="utf-8")


# --- a server --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Response:
    """What a server answered."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


def fetch(url: str, *, user: str = "", timeout: float = 30) -> Response:
    """Get ``url``, as ``user`` (``name:password``) where given; any status is an answer.

    Raises OSError where nobody listens, or the connection breaks.
    """
    request = urllib.request.Request(url)
    if user:
        token = base64.b64encode(user.encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    # No proxy: the servers under test are on this machine, whatever the environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Response(answer.status, answer.read().decode("utf-8"), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode("utf-8", "replace")
            return Response(error.code, text, dict(error.headers))


def wait_for_http(url: str, timeout: float = 60, process: subprocess.Popen[str] | None = None) -> Response:
    """Ask ``url`` until it answers, for ``timeout`` seconds; return the first answer.

    Raises TimeoutError, or ChildProcessError as soon as ``process`` has ended.
    """
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        try:
            return fetch(url, timeout=max(left, 0.1))
        except OSError as error:
            if left <= 0:
                raise TimeoutError(f"{url} did not answer in {timeout} s: {error}") from error
        if process is not None and process.poll() is not None:
            raise ChildProcessError(f"the server ended with {process.returncode}")
        time.sleep(0.05)


@dataclass
class Server:
    """A server that a test has started, with what it printed and what it answered first."""

    process: subprocess.Popen[str]
    log: Path
    response: Response = field(default_factory=lambda: Response(0, ""))

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        return self.process.pid

    @property
    def output(self) -> str:
        """All that the server has printed so far, on either stream."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_output(self, text: str, timeout: float = 30) -> str:
        """Wait until the server has printed ``text``; return all that it has printed then."""
        wait_for(lambda: text in self.output, timeout, lambda: f"{text!r} was not printed")
        return self.output

    def stop(self, timeout: float = 60) -> int:
        """Press Ctrl-C: SIGINT to the server's process group. Return the exit status.

        What still runs after ``timeout`` seconds is killed, and the status is that of the kill.
        """
        if self.process.poll() is None:
            self._signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        # Also what the server may have left behind in its group, once it has gone itself.
        self._signal(signal.SIGKILL)
        return self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        # The group was made for this server (start_new_session): its id is the server's.
        try:
            os.killpg(self.process.pid, number)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise


@contextmanager
def serving(
    buildout: Buildout,
    script: str = "instance",
    command: str = "fg",
    *,
    url: str,
    args: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
    clean_exit: bool = True,
) -> Iterator[Server]:
    """Run ``bin/SCRIPT COMMAND`` for as long as the block takes, as in a terminal of its own.

    The block begins when ``url`` has answered (with any status; see ``Server.response``), and
    Ctrl-C is pressed when it ends. With ``clean_exit``, a server that does not end by itself
    then, or ends as failed (status other than 0, 130 or death by SIGINT), is an AssertionError.
    """
    with start(buildout, script, command, args=args, env=env) as server:
        try:
            server.response = wait_for_http(url, timeout, server.process)
        except (TimeoutError, ChildProcessError) as error:
            raise AssertionError(f"{error}:\n{server.output}") from error
        yield server
        status = server.stop()
        clean = (0, 128 + signal.SIGINT, -signal.SIGINT)
        assert not clean_exit or status in clean, f"ended with {status}:\n{server.output}"


@contextmanager
def start(
    buildout: Buildout,
    script: str = "instance",
    command: str = "fg",
    *,
    args: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run ``bin/SCRIPT COMMAND ARGS`` without waiting for it to answer; stop it in the end."""
    program = buildout.directory / "bin" / script
    with running(program, command, *args, cwd=buildout.directory, env=env) as server:
        yield server


@contextmanager
def running(program: str | Path, *args: str, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run any program in a process group of its own, as a terminal would; stop it in the end.

    What it prints goes to a file in the directory ``cwd``.
    """
    log = cwd / "-".join([Path(program).name, *(Path(arg).name for arg in args[:1]), "output.txt"])
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), *args],
            cwd=cwd,
            env=clean_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    watch(process, log)
    server = Server(process, log)
    try:
        yield server
    finally:
        server.stop()
