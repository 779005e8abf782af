"""Makes buildouts to measure: the same part, eggs and versions, with the recipe of this checkout or with 9.1.0.

Both recipes are installed as eggs. The egg of this checkout is built for each run, in an eggs directory of its own,
with links to the other eggs of the tests.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.measure import NEW, OLD
from support import CACHE, CHECKOUT, EGGS, KEY, TESTS, Buildout, toolchain

NAME = "plone.recipe.zope2instance"
PLONE_VERSIONS = TESTS / "with_plone/versions.cfg"


def build(directory: Path, contender: str, parts: str, *, extends: Path | None = None) -> Buildout:
    """Write and run a buildout whose sections are these parts.

    `contender` selects the recipe; `extends` is a file with further versions.
    """
    buildout = write(directory, contender, parts, extends=extends)
    buildout.run(timeout=1800)
    return buildout


def write(directory: Path, contender: str, parts: str, *, extends: Path | None = None) -> Buildout:
    """Write a buildout as for `build`, without running it."""
    wheels, eggs = distributions()
    buildout = Buildout(directory)
    versions = {NEW: _version(), OLD: OLD}
    names = " ".join(re.findall(r"^\[([^]\n]+)\]$", parts, re.MULTILINE))
    buildout.write(
        "[buildout]\n"
        + (f"extends = {extends}\n" if extends else "")
        + f"parts = {names}\n"
        + f"develop-eggs-directory = {buildout.directory}/develop-eggs\n"
        + f"eggs-directory = {eggs}\nfind-links = {wheels}\n"
        + f"[versions]\n{NAME} = {versions[contender]}\n"
        + parts
    )
    return buildout


def part(port: int | None, options: str = "", name: str = "instance", eggs: str = "Zope") -> str:
    """Return the text of a part; without a port, it has no server.

    The temporary storage is off: 9.1.0 has it on by default, and plain Zope does not start with it.
    """
    lines = "".join(f"\n    {egg}" for egg in eggs.split())
    address = "" if port is None else f"127.0.0.1:{port}"
    return (
        f"[{name}]\nrecipe = {NAME}\nuser = admin:admin\nhttp-address = {address}\n"
        f"eggs ={lines}\nscripts =\nzodb-temporary-storage = off\n{options}\n"
    )


@cache
def distributions() -> tuple[Path, Path]:
    """Build a wheel of this checkout, and an eggs directory without an older egg of it; return both directories."""
    tools = toolchain()
    wheels, eggs = CACHE / f"bench-{KEY}/wheels", CACHE / f"bench-{KEY}/eggs"
    shutil.rmtree(wheels, ignore_errors=True)
    with tempfile.TemporaryDirectory() as directory:
        # A copy, since setuptools also packs files that an earlier build has left in the checkout.
        source = Path(directory) / "source"
        source.mkdir()
        for path in CHECKOUT.glob("*.*"):
            if path.is_file():
                shutil.copy(path, source)
        shutil.copytree(CHECKOUT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
        pip = [str(tools.bin / "python"), "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "--wheel-dir", str(wheels), str(source)], check=True)
    _link_eggs(eggs)
    return wheels, eggs


def _link_eggs(directory: Path) -> None:
    """Link the eggs of the tests; zc.buildout 5 and newer have theirs in a subdirectory."""
    for source in (EGGS, EGGS / "v5"):
        target = directory / source.relative_to(EGGS)
        target.mkdir(parents=True, exist_ok=True)
        for egg in source.glob("*.egg"):
            if not (target / egg.name).exists():
                (target / egg.name).symlink_to(egg)
        for egg in target.glob(f"{NAME}-{_version()}-*.egg"):
            egg.unlink() if egg.is_symlink() else shutil.rmtree(egg)


def _version() -> str:
    version = re.search(r'version="([^"]+)"', (CHECKOUT / "setup.py").read_text(encoding="utf-8"))
    assert version
    return version[1]
