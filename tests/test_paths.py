"""Buildouts in directories with odd names, of users with odd rights: all build and run."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from constraints import pins
from handmade import visible_python
from support import CHECKOUT, EGGS, PYTHON, Buildout, fetch, free_port, serving, toolchain, wait_for_http

#: All that is special somewhere, but ``${``, which is buildout's own even in its directory, and ``$HOME``,
#: which zope.configuration looks up in the environment.
NASTY = "b %u$i%%l$$d#o'u\"t;ü\\n(x)%(here)s$(HOME){y}`z`&*?!"
ELSEWHERE = "moved '\"\"' $x %(name)s #\\'ö"
# Others stand in test_recipe.py
SINGLE = ["#x", 'say "x"', "back\\slash", "-dash"]
DEEP = "/".join(["deeper"] * 28)


def part(port: int, more: str = "") -> str:
    return f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\n{more}"


def build(buildout: Buildout, port: int, more: str = "") -> None:
    """Build an instance; there is nothing to warn of."""
    buildout.write("msgid ''\nmsgstr ''\n", "locales/de/LC_MESSAGES/x.po")
    buildout.instance(part(port, f"locales = locales\n{more}"))
    output = buildout.run().stdout
    assert not [line for line in output.splitlines() if "[instance]" in line], output


def check_foreground(buildout: Buildout, port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    with serving(buildout, url=url) as server:
        assert server.response.status == 200
        assert fetch(f"{url}manage_main", user="admin:admin").status == 200
    assert "GET / " in buildout.read("var/log/instance-access.log")
    assert "Ready to handle requests" in buildout.read("var/log/instance.log")
    # What Python says of a path that is not quoted in a script
    assert "SyntaxWarning" not in server.output
    assert "invalid escape" not in server.output


def check_background(buildout: Buildout, port: int) -> None:
    try:
        started = buildout.call("bin/instance", "start", timeout=120).stdout
        assert wait_for_http(f"http://127.0.0.1:{port}/").status == 200
        status = buildout.call("bin/instance", "status").stdout
        assert status.startswith("program running; pid="), (started, status)
    finally:
        stopped = buildout.call("bin/instance", "stop", check=False).stdout
    assert "daemon process stopped" in stopped
    assert "not running" in buildout.call("bin/instance", "status", check=False).stdout


def check_scripts(buildout: Buildout) -> None:
    """The eggs' scripts and the interpreter find their path, and say nothing else."""
    assert "config_uri" in buildout.call("bin/runwsgi", "-h").stdout
    code = "import Zope2, sys; print(sys.argv)"
    assert buildout.call("parts/instance/bin/interpreter", "-c", code, "ü'").stdout == "['-c', \"ü'\"]\n"


def move(buildout: Buildout, target: Path) -> Buildout:
    """Move the whole tree; nothing of it may be made again where it was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    buildout.directory.rename(target)
    return Buildout(target)


@pytest.mark.parametrize("name", SINGLE)
def test_a_directory_with_one_odd_character(tmp_path: Path, port: int, name: str) -> None:
    buildout = Buildout(tmp_path / name)
    build(buildout, port)
    check_foreground(buildout, port)


def test_a_directory_with_all_of_them(tmp_path: Path, port: int) -> None:
    buildout = Buildout(tmp_path / NASTY)
    build(buildout, port)
    check_foreground(buildout, port)
    check_background(buildout, port)
    check_scripts(buildout)


def test_a_tree_that_is_moved_from_one_to_another(tmp_path: Path, port: int) -> None:
    before = Buildout(tmp_path / NASTY)
    build(before, port, "relative-paths = true\n")
    check_foreground(before, port)
    moved = move(before, tmp_path / ELSEWHERE)
    check_foreground(moved, port)
    check_background(moved, port)
    check_scripts(moved)
    assert not before.directory.exists()
    for path in (moved.part() / "etc").rglob("*.*"):
        assert "b %u" not in path.read_text(), path


def test_a_deep_directory(tmp_path: Path, port: int) -> None:
    """Longer than the path of a socket and the first line of a script may be."""
    buildout = Buildout(tmp_path / DEEP)
    assert len(str(buildout.directory)) > 200
    build(buildout, port)
    check_foreground(buildout, port)
    check_background(buildout, port)


@pytest.mark.parametrize("relative", ["false", "true"])
def test_a_link_in_the_path(tmp_path: Path, port: int, relative: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    buildout = Buildout(tmp_path / "real/buildout")
    buildout.directory = tmp_path / "link/buildout"
    build(buildout, port, f"relative-paths = {relative}\n")
    check_foreground(buildout, port)
    check_background(buildout, port)
    check_scripts(buildout)
    if relative == "true":
        (tmp_path / "link").unlink()
        moved = move(Buildout(tmp_path / "real/buildout"), tmp_path / "elsewhere/deeper/moved")
        check_foreground(moved, port)


@pytest.mark.parametrize("relative", ["false", "true"])
def test_a_python_in_such_a_directory(tmp_path: Path, port: int, relative: str) -> None:
    """A virtualenv in the buildout's directory: the first line of its scripts can name no such Python."""
    buildout = Buildout(tmp_path / NASTY)
    python = virtualenv(buildout.directory / "venv")
    buildout.instance(part(port, f"relative-paths = {relative}\n"))
    program = "import sys; from zc.buildout.buildout import main; sys.exit(main())"
    env = {"BUILDOUT_HOME": str(toolchain().home)}
    buildout.call(str(python), "-c", program, env=env, timeout=300)
    for script in ("bin/instance", "bin/runwsgi", "parts/instance/bin/interpreter"):
        assert not buildout.read(script).startswith("#!/root"), script
    check_scripts(buildout)
    code = "import sys; print(sys.prefix)"
    assert buildout.call("parts/instance/bin/interpreter", "-c", code).stdout == f"{buildout.directory}/venv\n"
    check_foreground(buildout, port)
    if relative == "true":
        moved = move(buildout, tmp_path / ELSEWHERE)
        check_scripts(moved)
        assert moved.call("parts/instance/bin/interpreter", "-c", code).stdout == f"{moved.directory}/venv\n"
        check_background(moved, port)


def virtualenv(directory: Path) -> Path:
    """A virtualenv that has the packages of the tests' buildouts; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    version = "python{}.{}".format(*sys.version_info)
    packages = toolchain().bin.parent / "lib" / version / "site-packages"
    (directory / "lib" / version / "site-packages/tools.pth").write_text(f"{packages}\n")
    return directory / "bin/python"


# --- other users, other rights ---------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where another user finds all that a buildout needs, and may write nothing of it."""

    directory: Path
    python: Path
    user: str | None

    def environment(self) -> dict[str, str]:
        """What is needed to run the copies, and nothing of the test runner's own."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONPATH": str(self.directory / "tools"),
            "LD_LIBRARY_PATH": str(self.python.parent.parent / "lib"),
        }

    def run(self, cwd: Path, umask: int, *command: str) -> str:
        """Run a command as that user; it must succeed."""
        done = subprocess.run(
            command, cwd=cwd, user=self.user, umask=umask, env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Copies that every user can read: Python, zc.buildout, the eggs and the recipe may lie in root's home.

    A plain user who runs the tests stays who he is, and gets copies that he cannot write.
    """
    tools = toolchain()
    directory = Path(tempfile.mkdtemp(prefix="recipe-place-"))
    try:
        directory.chmod(0o755)
        version = "python{}.{}".format(*sys.version_info)
        shutil.copytree(tools.bin.parent / "lib" / version / "site-packages", directory / "tools")
        for egg in (*EGGS.glob(f"*-py{PYTHON}*.egg"), *EGGS.glob(f"v5/*-py{PYTHON}*.egg")):
            target = directory / "eggs" / egg.relative_to(EGGS)
            shutil.copytree(egg, target, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        shutil.copytree(CHECKOUT / "src", directory / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(tools.develop_eggs, directory / "develop-eggs")
        for link in directory.glob("develop-eggs/*"):
            if link.is_file():
                link.write_text(link.read_text().replace(str(CHECKOUT), str(directory)))
        versions = "".join(f"{name} = {version}\n" for name, version in pins().items())
        (directory / "versions.cfg").write_text(f"[versions]\n{versions}")
        _set_rights(directory, writable=False)
        yield Place(directory, visible_python(), "nobody" if os.geteuid() == 0 else None)
    finally:
        _set_rights(directory, writable=True)
        shutil.rmtree(directory)


def _set_rights(directory: Path, *, writable: bool) -> None:
    """Let all read what is in a directory, and its owner write there, or not."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode) | 0o444 | (0o111 if path.is_dir() else 0)
            path.chmod(mode | 0o200 if writable else mode & ~0o222)


@pytest.mark.parametrize("umask", [0o077, 0o000], ids=["umask-077", "umask-000"])
def test_a_plain_user_with_eggs_that_he_cannot_write(place: Place, umask: int) -> None:
    port = free_port()
    directory = Path(tempfile.mkdtemp(prefix="recipe-plain-")) / "a buildout"
    directory.mkdir()
    try:
        if place.user:
            for path in (directory.parent, directory):
                os.chown(path, pwd.getpwnam(place.user).pw_uid, pwd.getpwnam(place.user).pw_gid)
        (directory / "buildout.cfg").write_text(
            f"[buildout]\nparts = instance\nextends = {place.directory}/versions.cfg\nallow-picked-versions = false\n"
            f"develop-eggs-directory = {place.directory}/develop-eggs\neggs-directory = {place.directory}/eggs\n"
            f"newest = false\n[instance]\nrecipe = plone.recipe.zope2instance\nuser = admin:admin\n{part(port)}"
        )
        program = "import sys; from zc.buildout.buildout import main; sys.exit(main())"
        place.run(directory, umask, str(place.python), "-c", program)
        _check_modes(directory, umask)
        try:
            place.run(directory, umask, "bin/instance", "start")
            url = f"http://127.0.0.1:{port}/"
            assert wait_for_http(url).status == 200
            assert fetch(f"{url}manage_main", user="admin:admin").status == 200
            assert "program running; pid=" in place.run(directory, umask, "bin/instance", "status")
        finally:
            stopped = place.run(directory, umask, "bin/instance", "stop")
        assert "daemon process stopped" in stopped
    finally:
        shutil.rmtree(directory.parent)


def _check_modes(directory: Path, umask: int) -> None:
    """What the recipe writes is as open as the umask lets it be, but for what is nobody else's."""
    part = directory / "parts/instance"
    for path in (directory / "bin/instance", directory / "bin/runwsgi", part / "bin/interpreter"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755 & ~umask, path
    assert stat.S_IMODE((part / "etc/wsgi.ini").stat().st_mode) == 0o644 & ~umask
    assert stat.S_IMODE((part / "inituser").stat().st_mode) == 0o600
    assert stat.S_IMODE((directory / "var/blobstorage").stat().st_mode) == 0o700
