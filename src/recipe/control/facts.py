"""What the control script knows about its instance, without reading Zope's configuration.

The recipe leaves ``instance.json`` in the part's ``etc``. It is looked for, in this order, in
the ``etc`` of the part that holds the interpreter (``LOC/bin/interpreter``), beside wsgi.ini,
and beside zope.conf: the last two may be other people's files, or even another part's.
Without it, zope.conf is read for what it takes.
"""

import json
import os
import re

from recipe.common.names import FACTS
from recipe.control.record import Record

#: Keys whose values are paths, relative ones from the directory of instance.json.
PATHS = (
    "directory", "zope_conf", "instance_home", "client_home", "event_log", "access_log", "pid_file", "zserver_python",
)  # fmt: skip


class Facts(Record):
    """The instance, as far as the control script has to know it; all paths are absolute."""

    name: str = ""
    #: the buildout's directory, with the ``.env`` files; the daemon's working directory
    directory: str = ""
    #: the one these facts are about
    zope_conf: str = ""
    instance_home: str = ""
    client_home: str = ""
    #: None: there is none; "": unknown (see `recipe.control.logs`)
    event_log: str | None = ""
    access_log: str | None = ""
    pid_file: str = ""
    #: octal; empty: the caller's
    umask: str = ""
    effective_user: str = ""
    #: options of Python itself, put before the interpreter script
    python_flags: tuple[str, ...] = ()
    #: addresses the server listens on, where known
    listen: tuple[str, ...] = ()
    #: seconds
    graceful_timeout: float = 30
    #: worker processes of the server; 0: it has none, and serves itself
    workers: int = 0
    #: the Python 2.7 of ZServer; empty: the server is a WSGI server
    zserver_python: str = ""


def find(zope_conf: str, interpreter: str = "", wsgi_ini: str = "") -> Facts:
    """Return the facts about the instance that these files belong to; empty: there is none.

    Raises ValueError where instance.json is no JSON object, OSError where zope.conf cannot be read.
    """
    for place in places(zope_conf, interpreter, wsgi_ini):
        path = os.path.join(place, FACTS)
        if os.path.isfile(path):
            found = read(path)
            # With -C one may name another zope.conf, and the interpreter of this part
            if not found.zope_conf or os.path.realpath(found.zope_conf) == os.path.realpath(zope_conf):
                return found
    return guess(zope_conf)


def places(zope_conf: str, interpreter: str, wsgi_ini: str) -> list[str]:
    """Return the directories that may be the ``etc`` of the part, the likeliest first."""
    found = [os.path.join(os.path.dirname(os.path.dirname(interpreter)), "etc")] if interpreter else []
    return found + [os.path.dirname(path) for path in (wsgi_ini, zope_conf) if path]


def read(path: str) -> Facts:
    """Return the facts in the file at `path`; keys it lacks have their defaults.

    Raises ValueError where it is no JSON object.
    """
    with open(path, encoding="utf-8") as file:
        values = json.load(file)
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no facts about an instance")
    place = os.path.dirname(os.path.abspath(path))
    for key in PATHS:
        if values.get(key):
            values[key] = os.path.normpath(os.path.join(place, values[key]))
    for key in ("python_flags", "listen"):
        values[key] = tuple(values.get(key) or ())
    known = {k: v for k, v in values.items() if k in Facts._fields}
    known["umask"] = known.get("umask") or ""
    known["effective_user"] = known.get("effective_user") or ""
    facts = Facts(**known)
    return _filled(facts, os.path.dirname(place))


def guess(zope_conf: str) -> Facts:
    """Return what a zope.conf says that we did not write; its directory is taken for ``etc``.

    Raises OSError.
    """
    values = _values(zope_conf)
    facts = Facts(
        zope_conf=zope_conf,
        instance_home=values.get("instancehome", ""),
        client_home=values.get("clienthome", ""),
        pid_file=values.get("pid-filename", ""),
        effective_user=values.get("effective-user", ""),
    )
    return _filled(facts, os.path.dirname(os.path.dirname(os.path.abspath(zope_conf))))


def _filled(facts: Facts, home: str) -> Facts:
    """Return the facts with Zope's defaults for what is missing; `home`: the instance home's."""
    home = facts.instance_home or home
    client_home = facts.client_home or os.path.join(home, "var")
    parts = os.path.dirname(home)
    return facts._replace(
        name=facts.name or os.path.basename(home),
        instance_home=home,
        client_home=client_home,
        # What 9.1.0 made lies in the parts of a buildout.
        directory=facts.directory or (os.path.dirname(parts) if os.path.basename(parts) == "parts" else home),
        pid_file=facts.pid_file or os.path.join(client_home, "Z4.pid"),
    )


def _values(zope_conf: str) -> dict[str, str]:
    """Return the keys at the top of zope.conf, by their lower-case names.

    ZConfig would do it properly, in a tenth of a second.
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
