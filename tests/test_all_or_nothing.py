"""Whatever happens to buildout: the old instance or the new one, complete, and what is the user's."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import Buildout, clean_environment, fetch, free_port, toolchain

#: Makes a buildout end before its Nth change to the disk, by the signal it is told; or copies its directory before
#: each change. Python imports it when it starts; https://docs.python.org/3/library/audit_events.html has the events.
SITECUSTOMIZE = """
import os, shutil, sys

place, signal, last = os.environ["HOOK_PLACE"], int(os.environ["HOOK_SIGNAL"]), int(os.environ["HOOK_COUNT"])
copies = os.environ.get("HOOK_COPIES")
count, copying = 0, False

def hook(event, arguments):
    global count, copying
    if copying:
        return
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    # Of the links to eggs some are enough
    links = event == "os.symlink" and arguments[1].endswith(("/AccessControl", "/zope/interface", "/lib.new"))
    if not (writes or links or event in ("os.rename", "os.remove")):
        return
    path = str(arguments[1 if links else 0])
    # Not buildout's own .installed.cfg, nor the descriptors of files that are open already
    if not path.startswith(place) or ".installed.cfg" in path:
        return
    if not sys.argv[0].endswith("buildout"):
        return
    count += 1
    if count == last:
        os.kill(os.getpid(), signal)
    if copies:
        copying = True
        shutil.copytree(place, f"{copies}/{count}", symlinks=True)
        copying = False
    print("change", count, event, path, flush=True)

sys.addaudithook(hook)
"""

OLD = "threads = 3\ndebug-mode = on\nzcml = one.package\neggs = Zope\nextra-paths = old\n"
NEW = (
    "threads = 5\nverbose-security = on\nzcml = another.package\neggs =\n    Zope\n    graypy\n"
    "extra-paths = new\nscripts =\n"
)


def snapshot(buildout: Buildout) -> dict[str, str]:
    """Every file of the instance, but those that wait for their place; and the links that the script goes by."""
    files = files_of(buildout)
    found = {str(path): path.read_text() for path in files if not path.name.endswith(".new")}
    tree = next(buildout.part().glob(re.findall(r"lib-\w+", buildout.read("bin/instance"))[0]))
    return found | {str(path): str(path.readlink()) for path in tree.rglob("*") if path.is_symlink()}


def files_of(buildout: Buildout) -> list[Path]:
    """Every file of the instance; not those that links lead to."""
    found = [path for top in ("bin", "parts") for path in (buildout.directory / top).rglob("*")]
    return [path for path in found if path.is_file() and not re.search(r"/\.?lib-", str(path))]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Buildout:
    """A buildout with an instance, and a file of the user's in it."""
    buildout = Buildout(tmp_path_factory.mktemp("buildout") / "buildout")
    buildout.instance(OLD)
    buildout.run()
    (buildout.part() / "etc/package-includes/own-configure.zcml").write_text("<configure/>")
    (buildout.part() / "notes.txt").write_text("mine")
    return buildout


@pytest.fixture
def again(old: Buildout, tmp_path: Path) -> Iterator[Buildout]:
    """The same at the same place for each test, whatever the one before has done to it."""
    shutil.copytree(old.directory, tmp_path / "kept", symlinks=True)
    yield old
    shutil.rmtree(old.directory)
    shutil.copytree(tmp_path / "kept", old.directory, symlinks=True)


def changes_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.startswith("change ")]


def interrupted(
    buildout: Buildout, tmp_path: Path, number: int, count: int, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run buildout until its change number `count`, and send it the signal `number` then."""
    hook = tmp_path / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(SITECUSTOMIZE)
    variables |= {"HOOK_PLACE": str(buildout.directory), "HOOK_SIGNAL": str(int(number)), "HOOK_COUNT": str(count)}
    return buildout.run(check=False, env={"PYTHONPATH": str(hook), **variables})


def test_killed_at_any_moment_it_is_the_old_one_or_the_new_one(again: Buildout, tmp_path: Path) -> None:
    """What a process leaves that is killed is what is on the disk, so a copy of that shows it."""
    buildout, before = again, snapshot(again)
    pristine, copies = tmp_path / "pristine", tmp_path / "copies"
    shutil.copytree(buildout.directory, pristine, symlinks=True)
    buildout.instance(NEW)
    shutil.copy(buildout.directory / "buildout.cfg", pristine)

    whole = interrupted(buildout, tmp_path, signal.SIGKILL, 0, HOOK_COPIES=str(copies))
    assert whole.returncode == 0, whole.stdout
    after = snapshot(buildout)
    assert before != after
    changes = changes_of(whole)
    assert len(changes) > 20, whole.stdout

    seen = set()
    for count, change in enumerate(changes, 1):
        shutil.rmtree(buildout.directory)
        (copies / str(count)).rename(buildout.directory)
        if count in (1, len(changes) // 2, len(changes)):
            check_a_real_kill(buildout, pristine, tmp_path, count)
        # What the next command finds half done, it finishes
        shown = buildout.call("bin/instance", "show").stdout
        assert "instance_home: " in shown, f"killed before {change}"
        found = snapshot(buildout)
        assert found in (before, after), f"killed before {change}: {differing(found, before)} {differing(found, after)}"
        seen.add("new" if found == after else "old")
    assert seen == {"old", "new"}
    buildout.run()
    assert snapshot(buildout) == after
    assert not list(buildout.directory.rglob("*.new"))


def check_a_real_kill(buildout: Buildout, pristine: Path, tmp_path: Path, count: int) -> None:
    """Compare a copy with what a process leaves that is killed there, and put that in its place."""
    copied = {str(path): path.read_bytes() for path in files_of(buildout)}
    shutil.rmtree(buildout.directory)
    shutil.copytree(pristine, buildout.directory, symlinks=True)
    killed = interrupted(buildout, tmp_path, signal.SIGKILL, count)
    assert killed.returncode == -signal.SIGKILL, f"{count}: {killed.stdout}"
    assert {str(path): path.read_bytes() for path in files_of(buildout)} == copied


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


@pytest.mark.parametrize(("count", "new"), [(8, False), (20, True), (23, True)])
def test_ctrl_c_leaves_a_whole_instance(again: Buildout, tmp_path: Path, count: int, new: bool) -> None:
    before = snapshot(again)
    again.instance(NEW)
    stopped = interrupted(again, tmp_path, signal.SIGINT, count)
    assert stopped.returncode != 0, stopped.stdout
    found = snapshot(again)
    again.run()
    assert found == (snapshot(again) if new else before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("threads = none\n", "threads: "),
        ("eggs = nonexistent==\n", "eggs: "),
        ("eggs = Zope\nentry-points = foo\n", "entry-points: "),
        ("zope-conf-additional = <unclosed>\n", "zope-conf-additional: "),
    ],
)
def test_an_error_leaves_the_old_instance(again: Buildout, change: str, message: str) -> None:
    before = snapshot(again)
    again.instance(change)
    done = again.run("-N", check=False)
    assert done.returncode != 0
    assert message in done.stdout
    assert snapshot(again) == before
    again.instance(OLD)
    again.run()
    assert snapshot(again) == before


def test_an_error_in_an_update_leaves_the_old_instance(again: Buildout) -> None:
    """The part's options are the same, but the template that they name has changed."""
    template = again.write("[server:main]\nuse = egg:waitress#main\nthreads = %(threads)s\n", "wsgi.ini.in")
    again.instance(f"{OLD}wsgi-ini-template = {template}\n")
    again.run()
    before = snapshot(again)
    again.write("[server:main]\nthreads = %(treads)s\n", "wsgi.ini.in")
    for _ in range(2):
        done = again.run(check=False)
        assert done.returncode != 0
        assert "%(treads)s is not known" in done.stdout
        assert snapshot(again) == before


def test_a_full_disk_leaves_the_old_instance(again: Buildout) -> None:
    """No file may grow beyond what buildout needs for its own, as if the disk were full then."""
    before = snapshot(again)
    # With all eggs in it, the script is longer than that
    again.instance(f"{NEW}link-eggs = off\n")
    limit = (again.directory / ".installed.cfg").stat().st_size + 200
    done = subprocess.run(
        [toolchain().bin / "buildout"],
        cwd=again.directory,
        env=clean_environment({"BUILDOUT_HOME": str(toolchain().home), "PYTHONDONTWRITEBYTECODE": "1"}),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode != 0
    assert re.search(r"\[instance\] cannot write /\S+: File too large", done.stdout), done.stdout
    assert snapshot(again) == before
    assert not list(again.directory.rglob("*.new"))


def test_what_is_the_user_s_survives(again: Buildout) -> None:
    inituser = (again.part() / "inituser").read_text()
    data = again.directory / "var/filestorage/Data.fs"
    data.write_text("data")
    again.instance(NEW)
    again.run()
    assert (again.part() / "inituser").read_text() == inituser
    assert (again.part() / "notes.txt").read_text() == "mine"
    assert data.read_text() == "data"
    includes = sorted(path.name for path in (again.part() / "etc/package-includes").iterdir())
    assert includes == ["002-another.package-configure.zcml", "own-configure.zcml"]
    # What the part makes no longer is gone
    assert sorted(path.name for path in (again.directory / "bin").iterdir()) == ["instance"]


def test_a_running_server_is_not_disturbed(buildout: Buildout) -> None:
    port = free_port()
    buildout.instance(f"http-address = 127.0.0.1:{port}\neggs = Zope\n")
    buildout.run()
    started = buildout.call("bin/instance", "start").stdout
    try:
        for change in ("threads = 6\n", "threads = none\n", "threads = 7\nevent-log = var/other.log\n"):
            buildout.instance(f"http-address = 127.0.0.1:{port}\neggs = Zope\n{change}")
            buildout.run(check=False)
            assert fetch(f"http://127.0.0.1:{port}/").status == 200
        pid = started.strip().rpartition("=")[2]
        assert buildout.call("bin/instance", "status").stdout == f"program running; pid={pid}\n"
    finally:
        buildout.call("bin/instance", "stop")


def test_a_part_that_is_taken_out_is_removed(buildout: Buildout) -> None:
    buildout.write(
        """
        [buildout]
        parts = one two

        [one]
        recipe = plone.recipe.zope2instance
        user = admin:admin
        eggs = Zope

        [two]
        <= one
        control-script = second
        """
    )
    buildout.run()
    assert (buildout.directory / "bin/runwsgi").exists()
    text = buildout.read("buildout.cfg")
    buildout.write(text.replace("parts = one two", "parts = one"))
    done = buildout.run()
    assert "Uninstalling two" in done.stdout
    assert sorted(path.name for path in (buildout.directory / "parts").iterdir()) == ["one"]
    # bin/runwsgi belongs to the other one, too
    assert {"one", "runwsgi"} <= {path.name for path in (buildout.directory / "bin").iterdir()}
    assert not (buildout.directory / "bin/second").exists()
    assert (buildout.directory / "var/two").is_dir()
    buildout.write("[buildout]\nparts =\n")
    buildout.run()
    assert list((buildout.directory / "parts").iterdir()) == []
    assert list((buildout.directory / "bin").iterdir()) == []
    assert (buildout.directory / "var/filestorage").is_dir()


def test_files_of_the_user_s_stay_when_the_part_is_taken_out(again: Buildout) -> None:
    again.write("[buildout]\nparts =\n")
    done = again.run()
    assert f"{again.part()} is not removed, since it holds files that this recipe has not made." in done.stdout
    left = {str(path.relative_to(again.part())) for path in again.part().rglob("*") if not path.is_dir()}
    assert left == {"notes.txt", "etc/package-includes/own-configure.zcml"}


def test_an_unchanged_part_takes_nothing_but_a_look(again: Buildout) -> None:
    files = [*files_of(again), again.part() / "lib", *again.part().glob("lib-*")]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}
    time.sleep(0.01)
    again.run()
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files} == before
    assert not os.path.exists(again.directory / ".bin-instance")
