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
    #: the buildout directory: contains the ``.env`` files
    directory: str = ""
    #: the zope.conf of the instance
    zope_conf: str = ""
    #: the directory of the part, and the working directory of the daemon
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
    values = {name.lower(): value for name, value in _values(zope_conf).items()}
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


def read_environment(zope_conf: str) -> dict[str, str]:
    """Return the variables in the section ``<environment>`` of zope.conf, by name; none if it cannot be read."""
    try:
        return _values(zope_conf, "environment")
    except OSError:
        return {}


def _values(zope_conf: str, *path: str) -> dict[str, str]:
    """Return the values of the keys in a section of zope.conf, by key. Raises OSError.

    `path`: the names of the sections around the keys. A value with an environment variable that is not set is left
    out. ZConfig is not used because loading it takes a tenth of a second.
    """
    values: dict[str, str] = {}
    defined: dict[str, str] = {}
    sections: list[str] = []
    with open(zope_conf, encoding="utf-8", errors="replace") as file:
        lines = file.readlines()
    for line in map(str.strip, lines):
        if line.startswith("</"):
            del sections[-1:]
        elif line.startswith("<"):
            sections += [] if line.endswith("/>") else [line.strip("<> ").lower()]
        elif line.startswith("%define "):
            _add(defined, line.removeprefix("%define "), defined)
        elif sections == [*path] and not line.startswith(("#", "%")):
            _add(values, line, defined)
    return values


def _add(values: dict[str, str], line: str, defined: dict[str, str]) -> None:
    """Add a key with its value, unless it has an environment variable that is not set."""
    name, _, value = line.strip().partition(" ")
    try:
        values[name] = _substituted(value.strip(), defined)
    except KeyError:
        values.pop(name, None)


def _substituted(text: str, defined: dict[str, str]) -> str:
    """Return `text` with ZConfig's ``$name``, ``${name}``, ``$(VARIABLE)`` and ``$$`` replaced.

    Raises KeyError if the environment variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        if match[3]:
            return os.environ[match[3]]
        names = {name.lower(): value for name, value in defined.items()}
        return "$" if match[0] == "$$" else names.get((match[1] or match[2]).lower(), "")

    return re.sub(r"\$(?:\$|\{(\w+)\}|(\w+)|\((\w+)\))", value, text) if "$" in text else text
