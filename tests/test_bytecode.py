"""Compiled files for the eggs: made where they are missing, and where that is wanted and allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import clean_environment
from test_links import egg

CODE = """
import os, sys
from recipe.disk.bytecode import compile_missing
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
compile_missing([sys.argv[1]])
"""


def compiled(path: str, *args: str, env: Mapping[str, str] | None = None) -> set[str]:
    """Compile an egg in a process of its own; return its compiled files, without the name of the Python."""
    command = [sys.executable, "-c", CODE, os.path.basename(path), *args]
    # Not by its whole path, which another user may not go
    done = subprocess.run(
        command, cwd=os.path.dirname(path), env=clean_environment(env), capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""
    tag = f".{sys.implementation.cache_tag}.pyc"
    return {str(file.relative_to(path)).replace(tag, "") for file in Path(path).rglob("*.pyc")}


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    """An egg with modules, what looks like one, and one that makes the compiler warn."""
    files = {"a.py": "", "pkg/__init__.py": "", "pkg/sub/b.py": "'\\d'", "old.py": "print 1", "null.py": "\0"}
    return egg(tmp_path, "mixed", {**files, "data.txt": "x = 1"})


MODULES = {"__pycache__/a", "pkg/__pycache__/__init__", "pkg/sub/__pycache__/b"}


def test_all_modules_are_compiled(mixed: str) -> None:
    assert compiled(mixed) == MODULES


def test_what_is_compiled_stays(mixed: str) -> None:
    compiled(mixed)
    (file,) = Path(mixed, "pkg/sub/__pycache__").iterdir()
    file.write_bytes(b"another's")
    Path(mixed, "__pycache__", f"a.{sys.implementation.cache_tag}.pyc").unlink()
    assert compiled(mixed) == MODULES
    assert file.read_bytes() == b"another's"


def test_nothing_is_compiled_where_that_is_not_wanted(mixed: str) -> None:
    assert compiled(mixed, env={"PYTHONDONTWRITEBYTECODE": "1"}) == set()


def test_nothing_is_compiled_where_that_is_not_allowed(mixed: str) -> None:
    place = Path(mixed)
    for directory in (place, *(path for path in place.rglob("*") if path.is_dir())):
        directory.chmod(0o555)
    # Root may write anywhere
    assert compiled(mixed, *(["65534"] if os.getuid() == 0 else [])) == set()
