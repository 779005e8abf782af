"""The facts about an instance that the control script uses instead of loading Zope's configuration.

The recipe writes them into ``instance.json`` in the directory ``etc`` of the part. The script looks for this
file in the ``etc`` of the part that contains the interpreter (``LOC/bin/interpreter``), then beside wsgi.ini,
then beside zope.conf, because the last two may belong to another part. Without the file, it parses zope.conf.
"""

import json
import os
import re

from recipe.common.names import FACTS, GRACEFUL_TIMEOUT
from recipe.control.record import Record

#: Keys whose values are paths; relative ones start at the directory of instance.json.
PATHS = (
    "directory", "zope_conf", "instance_home", "client_home", "event_log", "access_log", "pid_file", "zserver_python",
)  # fmt: skip


class Facts(Record):
    """The facts about an instance; all paths are absolute."""

    name: str = ""
    #: the buildout directory: contains the ``.env`` files, and is the working directory of the daemon
    directory: str = ""
    #: the zope.conf of the instance
    zope_conf: str = ""
    instance_home: str = ""
    client_home: str = ""
    #: None: no file; "": unknown (see `recipe.control.logs`)
    event_log: str | None = ""
    access_log: str | None = ""
    pid_file: str = ""
    #: an octal number; empty: that of the process that starts the server
    umask: str = ""
    effective_user: str = ""
    #: options of Python, which stand before the interpreter script
    python_flags: tuple[str, ...] = ()
    #: addresses the server listens on; empty: unknown or none
    listen: tuple[str, ...] = ()
    #: seconds
    graceful_timeout: float = GRACEFUL_TIMEOUT
    #: number of worker processes; 0: the server answers requests in its own process
    workers: int = 0
    #: the path of ZServer's Python 2.7; empty: the server is a WSGI server
    zserver_python: str = ""


def find(zope_conf: str, interpreter: str = "", wsgi_ini: str = "") -> Facts:
    """Return the facts about the instance of these files; an empty path means that there is no such file.

    Raises ValueError if instance.json is not a JSON object, OSError if a file cannot be read.
    """
    for directory in directories(zope_conf, interpreter, wsgi_ini):
        path = os.path.join(directory, FACTS)
        if os.path.isfile(path):
            facts = _from_json(path)
            # -C may name another zope.conf together with the interpreter of this part
            if not facts.zope_conf or os.path.realpath(facts.zope_conf) == os.path.realpath(zope_conf):
                return facts
    return _from_zope_conf(zope_conf)


def directories(zope_conf: str, interpreter: str, wsgi_ini: str) -> list[str]:
    """Return the directories that may contain instance.json, in the order in which to look."""
    etc = [os.path.join(os.path.dirname(os.path.dirname(interpreter)), "etc")] if interpreter else []
    return etc + [os.path.dirname(path) for path in (wsgi_ini, zope_conf) if path]


def _from_json(path: str) -> Facts:
    """Return the facts in the file at `path`; a key that is missing has its default.

    Raises ValueError if the file does not contain a JSON object.
    """
    with open(path, encoding="utf-8") as file:
        values = json.load(file)
    if not isinstance(values, dict):
        raise ValueError(f"{path} does not contain a JSON object")
    etc = os.path.dirname(os.path.abspath(path))
    for key in PATHS:
        if values.get(key):
            values[key] = os.path.normpath(os.path.join(etc, values[key]))
    for key in ("python_flags", "listen"):
        values[key] = tuple(values.get(key) or ())
    for key in ("umask", "effective_user"):
        values[key] = values.get(key) or ""
    facts = Facts(**{key: value for key, value in values.items() if key in Facts._fields})
    return _with_defaults(facts, os.path.dirname(etc))


def _from_zope_conf(zope_conf: str) -> Facts:
    """Return the facts in a zope.conf, whose directory is assumed to be ``etc``. Raises OSError."""
    values = _top_level_values(zope_conf)
    facts = Facts(
        zope_conf=zope_conf,
        instance_home=values.get("instancehome", ""),
        client_home=values.get("clienthome", ""),
        pid_file=values.get("pid-filename", ""),
        effective_user=values.get("effective-user", ""),
    )
    return _with_defaults(facts, os.path.dirname(os.path.dirname(os.path.abspath(zope_conf))))


def _with_defaults(facts: Facts, home: str) -> Facts:
    """Return the facts with Zope's defaults for missing values; `home`: the default of the instance home."""
    home = facts.instance_home or home
    client_home = facts.client_home or os.path.join(home, "var")
    parts = os.path.dirname(home)
    return facts._replace(
        name=facts.name or os.path.basename(home),
        instance_home=home,
        client_home=client_home,
        # 9.1.0 creates an instance in the directory `parts` of a buildout
        directory=facts.directory or (os.path.dirname(parts) if os.path.basename(parts) == "parts" else home),
        pid_file=facts.pid_file or os.path.join(client_home, "Z4.pid"),
    )


def _top_level_values(zope_conf: str) -> dict[str, str]:
    """Return the values of the keys outside of sections in zope.conf, by lower-case key.

    ZConfig is not used because loading it takes a tenth of a second.
    """
    values: dict[str, str] = {}
    defined: dict[str, str] = {}
    depth = 0
    with open(zope_conf, encoding="utf-8", errors="replace") as file:
        lines = file.readlines()
    for line in map(str.strip, lines):
        if line.startswith("<"):
            depth += -1 if line.startswith("</") else 0 if line.endswith("/>") else 1
            continue
        name, _, value = line.partition(" ")
        if depth or not name or name.startswith("#"):
            continue
        if name == "%define":
            name, _, value = value.strip().partition(" ")
            defined[name.lower()] = _substituted(value.strip(), defined)
        else:
            values[name.lower()] = _substituted(value.strip(), defined)
    return values


def _substituted(text: str, defined: dict[str, str]) -> str:
    """Return `text` with ZConfig's ``$name``, ``${name}`` and ``$$`` replaced."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else defined.get((match[1] or match[2]).lower(), "")

    return re.sub(r"\$(?:\$|\{(\w+)\}|(\w+))", value, text)
