"""The Python 2.7 with ZServer, made once, and sites that run in it.

A pyenv that has 2.7.18, or any ``python2.7``, is where it comes from. ZServer refuses to run as root, so the tests of
root let it become `USER`, who must be able to read that Python: it is copied to where all can.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from recipe.describe.zserver import COMMANDS
from support import TESTS, Buildout, _call, clean_environment, locked, place_for_all

LISTS = TESTS / "python27"
VERSION = "2.7.18"

#: What the tests need no pipx for.
PIPX = "pipx run --spec 'virtualenv<20.22' virtualenv"

#: Who serves when root runs the tests; empty: who runs them.
USER = "nobody" if os.geteuid() == 0 else ""

#: What a copy of Python does without.
LEFT_OUT = shutil.ignore_patterns("test", "idlelib", "lib-tk", "*.pyc", "*.a", "site-packages", "dist-packages")


def python27() -> Path:
    """Return the Python of an environment with ZServer; skip the test where there is no Python 2.7."""
    if not (base := _base()):
        pytest.skip("no Python 2.7 here: neither a pyenv with 2.7.18 nor a python2.7 on the path")
    return _environments(base) / "zserver/bin/python"


def buildout27() -> Path:
    """Return the buildout program of an environment with the last recipe that ran ZServer."""
    return python27().parent.parent.parent / "reference/bin/buildout"


def link_packages(directory: Path) -> None:
    """Let a buildout of that program take the packages of both environments for eggs: develop links to them."""
    directory.mkdir()
    for program in (python27(), buildout27()):
        packages = program.parent.parent / "lib/python2.7/site-packages"
        for info in packages.glob("*-info"):
            (directory / f"{info.name.split('-')[0]}.egg-link").write_text(f"{packages}\n.\n")


@functools.cache
def _base() -> Path | None:
    """Return the prefix of a Python 2.7 on this machine."""
    with suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(["pyenv", "prefix", VERSION], capture_output=True, text=True, check=True)
        return Path(done.stdout.strip())
    if program := shutil.which("python2.7"):
        command = [program, "-c", "import sys; print(sys.prefix)"]
        with suppress(OSError, subprocess.CalledProcessError):
            return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    return None


@functools.cache
def _environments(base: Path) -> Path:
    """Make, or find made, the environments; return the directory with them.

    The work is done under a lock, because test processes run side by side.
    """
    content = b"".join(path.read_bytes() for path in sorted(LISTS.iterdir())) + f"{base} {COMMANDS}".encode()
    place = place_for_all("python27") / hashlib.sha256(content).hexdigest()[:8]
    with locked(place.parent / ".lock"):
        stamp = place / "made"
        if not stamp.exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(base, place)
            stamp.touch()
    return place


def _make(base: Path, place: Path) -> None:
    _copy(base, place / "base")
    tools = place / "virtualenv/bin"
    _call([sys.executable, "-m", "venv", str(tools.parent)])
    _call([str(tools / "python"), "-m", "pip", "install", "--quiet", "-r", str(LISTS / "virtualenv.txt")])
    # As a user is told to make one, but in the versions of the tests
    versions = {"PIP_CONSTRAINT": str(LISTS / "requirements.txt"), "PIP_NO_PYTHON_VERSION_WARNING": "1"}
    # Two dozen packages are compiled, for a few tests: what is not optimized is there in a third of the time
    environment = clean_environment(versions | {"CFLAGS": "-O0"})
    python = str(place / "base/bin/python2.7")
    for command in COMMANDS:
        words = shlex.split(command.replace(PIPX, str(tools / "virtualenv")).replace("python2.7", python))
        _call(words, cwd=place, env=environment)
    pip = ["-m", "pip", "install", "--quiet"]
    _call([str(place / "zserver/bin/python"), *pip, "-r", str(LISTS / "requirements.txt")], env=environment)
    _call([str(tools / "virtualenv"), "--quiet", "-p", python, str(place / "reference")])
    _call([str(place / "reference/bin/python"), *pip, "--no-deps", "-r", str(LISTS / "reference.txt")])
    packages = "lib/python2.7/site-packages"
    _mend_namespace(place / "reference" / packages)
    # The recipe wants Zope on the path of its buildout
    line = f"import site; site.addsitedir({str(place / 'zserver' / packages)!r})\n"
    (place / "reference" / packages / "zserver.pth").write_text(line)


def _copy(base: Path, target: Path) -> None:
    """Copy a Python to where all can read it, with what C extensions are compiled with."""
    (target / "bin").mkdir(parents=True)
    shutil.copy2((base / "bin/python2.7").resolve(), target / "bin/python2.7")
    shutil.copytree(base / "lib/python2.7", target / "lib/python2.7", ignore=LEFT_OUT)
    shutil.copytree(base / "include/python2.7", target / "include/python2.7")
    for library in (base / "lib").glob("libpython2.7*"):
        shutil.copy2(library, target / "lib")


def _mend_namespace(packages: Path) -> None:
    """Make plone.recipe a package: the wheel of 6.13.0 says it is one in a way that only Python 3 reads."""
    for path in packages.glob("plone.recipe.zope2instance-*-nspkg.pth"):
        path.unlink()
    for name in ("plone", "plone/recipe"):
        (packages / name / "__init__.py").touch()


class Site(Buildout):
    """A buildout with an instance of ZServer."""

    def zserver(self, options: str = "", python: str = "") -> None:
        """Write the buildout, run it, and let the user that serves have the data.

        `python`: another interpreter than the one with ZServer.
        """
        head = f"wsgi = off\nzserver-python = {python or python27()}\n"
        head += f"effective-user = {USER}\n" if USER else ""
        self.instance(head + options)
        self.run()
        give_away(self.directory / "var")

    @property
    def log(self) -> str:
        """The event log."""
        return self.read("var/log/instance.log")


def give_away(directory: Path) -> None:
    """Let the user that serves have a directory with all in it."""
    if USER:
        for path in (directory, *directory.rglob("*")):
            shutil.chown(path, USER)


@contextmanager
def site() -> Iterator[Site]:
    """Make a directory for a site, which the user that serves can reach; its daemon is stopped in the end."""
    directory = Path(tempfile.mkdtemp(prefix="recipe-zserver-"))
    directory.chmod(0o755)
    made = Site(directory / "site")
    try:
        yield made
    finally:
        if (made.directory / "bin/instance").exists():
            made.call("bin/instance", "stop", check=False)
        shutil.rmtree(directory)
