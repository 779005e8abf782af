"""Writes the scripts ``bin/NAME`` and ``LOC/bin/interpreter``."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from recipe.common.names import DIRECTORY_VARIABLE
from recipe.describe.instance import Instance
from recipe.render.file import File
from recipe.render.templates import fill

CODING = "# -*- coding: utf-8 -*-"  # Python 2.7 requires it, and runs the interpreter of ZServer
SHEBANG_LIMIT = 127  # the bytes of a #! line that Linux before 5.1 and other systems read


@dataclass(frozen=True)
class Python:
    """The Python of a generated script: the interpreter, sys.path, and the code that it runs first."""

    executable: str
    paths: tuple[str, ...]
    initialization: str


def control_script(instance: Instance, python: Python) -> File:
    """Return the control script, ``bin/NAME``."""
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
    """Return ``LOC/bin/interpreter``, a Python with the path of the instance."""
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
    """Return how many levels a file is below the buildout directory."""
    return len(os.path.relpath(path, instance.directory).split(os.sep))


def _path_writer(instance: Instance, script: str) -> Callable[[str], str]:
    """Return a function that writes text as Python code; paths in the buildout are relative if the instance is."""

    def write(text: str) -> str:
        if instance.relative_paths and (text + "/").startswith(instance.directory + "/"):
            return f"os.path.join(base, {os.path.relpath(text, instance.directory)!r})"
        return repr(text)

    return write


def header(executable: str, path: str, instance: Instance) -> str:
    """Return the first line of a script, which names the interpreter.

    The kernel accepts neither blanks nor long paths there. For such a path, and if the tree may be
    moved with the interpreter in it, a line of shell starts the interpreter; Python reads that line
    as a string.
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
    """Quote a word for the shell, inside a Python string: backslashes are doubled."""
    return "'" + re.sub(r"['\\]", lambda match: "'\"" + match[0].replace("\\", r"\\") + "\"'", text) + "'"
