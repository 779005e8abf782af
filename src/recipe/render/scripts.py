"""The generated scripts: ``bin/NAME``, and the interpreter with the instance's path."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from recipe.common.names import DIRECTORY_VARIABLE
from recipe.describe.instance import Instance
from recipe.render.file import File
from recipe.render.templates import fill

CODING = "# -*- coding: utf-8 -*-"  # Python 2.7, which runs the interpreter of ZServer, wants to be told
SHEBANG_LIMIT = 127  # bytes, in Linux before 5.1 and in other systems


@dataclass(frozen=True)
class Python:
    """What a generated script runs with: the interpreter, sys.path, and lines run first."""

    executable: str
    paths: tuple[str, ...]
    initialization: str


def control_script(instance: Instance, python: Python) -> File:
    """``bin/NAME``."""
    arguments = ["-C", instance.zope_conf, "-p", instance.interpreter]
    if not instance.is_zserver:
        arguments += ["-w", instance.wsgi_ini]
    if instance.settings.process.umask:
        arguments += ["--umask", instance.settings.process.umask]
    path = instance.control_script
    write = _path_writer(instance, path)
    body = fill("control_body.py", arguments=[write(argument) for argument in arguments])
    return File(path, _script(instance, python, path, body), 0o755)


def interpreter(instance: Instance, python: Python) -> File:
    """``LOC/bin/interpreter``: Python with the instance's path."""
    path = instance.interpreter
    return File(path, _script(instance, python, path, fill("interpreter_body.py")), 0o755)


def _script(instance: Instance, python: Python, path: str, body: str) -> str:
    write = _path_writer(instance, path)
    first, *rest = header(python.executable, path, instance).splitlines()
    return fill(
        "script.py",
        header="\n".join((first, CODING, *rest)),
        levels=_levels(instance, path) if instance.relative_paths else 0,
        variable=repr(DIRECTORY_VARIABLE),
        paths=[write(item) for item in python.paths],
        initialization=python.initialization,
        body=body.rstrip("\n"),
    )


def _levels(instance: Instance, path: str) -> int:
    """How far below the buildout directory a file is."""
    return len(os.path.relpath(path, instance.directory).split(os.sep))


def _path_writer(instance: Instance, script: str) -> Callable[[str], str]:
    """Writes a text as Python; a path below the buildout, relative to it where that is asked for."""

    def write(text: str) -> str:
        if instance.relative_paths and (text + "/").startswith(instance.directory + "/"):
            return f"os.path.join(base, {os.path.relpath(text, instance.directory)!r})"
        return repr(text)

    return write


def header(executable: str, path: str, instance: Instance) -> str:
    """The line that names the interpreter.

    The kernel takes neither blanks nor long paths there; then, and where the
    tree may move with the interpreter in it, a shell line starts it, which
    Python reads as a string.
    """
    inside = instance.relative_paths and executable.startswith(instance.directory + "/")
    if not inside and len(os.fsencode(executable)) < SHEBANG_LIMIT - 2 and not any(map(str.isspace, executable)):
        return f"#!{executable}"
    if inside:
        relative = os.path.relpath(executable, os.path.dirname(path))
        quoted = f'"$(dirname "$(readlink -f "$0")")"/{_shell_quoted(relative)}'
    else:
        quoted = _shell_quoted(executable)
    return f"#!/bin/sh\n'''exec' {quoted} \"$0\" \"$@\"\n' '''"


def _shell_quoted(text: str) -> str:
    """A word of the shell's that is no escape to Python, in whose string it stands."""
    return "'" + re.sub(r"['\\]", lambda match: "'\"" + match[0].replace("\\", r"\\") + "\"'", text) + "'"
