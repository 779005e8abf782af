"""Commands of other packages.

They are entry points of two groups. A function of ``zopectl.command`` is called with Zope's root and the
arguments, one of ``plone.recipe.zope2instance.ctl`` with a `Host` and the arguments in one string. A command
in `recipe.control.commands` takes precedence over one of the same name in a package.
"""

import os
import sys

from recipe.control.context import Context
from recipe.control.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from typing import Any

SCRIPTS = "zopectl.command"
HOSTED = "plone.recipe.zope2instance.ctl"


def run(context: Context, name: str, args: list[str]) -> int:
    """Run the command `name` of an installed package; return its exit status.

    Raises CommandError (exit status 2) if no package has such a command.
    """
    group, entry_point = _find(name)
    run_function = _run_script if group == SCRIPTS else _run_hosted
    return run_function(context, entry_point, args)


def command_names() -> list[str]:
    """Return the names of the commands of all installed packages."""
    from recipe.control.commands import COMMANDS

    names = {name for group in (SCRIPTS, HOSTED) for name in _names(group)}
    return sorted(names - set(COMMANDS))


def help_(context: Context, name: str) -> int:
    """Print the docstring of the command `name` of an installed package.

    Raises CommandError (exit status 2) if no package has such a command.
    """
    _, entry_point = _find(name)
    text = entry_point.load().__doc__
    print(text.strip() if text else f"{name}: a command of {entry_point.value}")
    return 0


def _find(name: str) -> "tuple[str, EntryPoint]":
    """Return the group and the entry point of a command; raise CommandError (exit status 2) if there is none."""
    for group in (SCRIPTS, HOSTED):
        for entry_point in _entry_points(group):
            if entry_point.name == name:
                return group, entry_point
    raise CommandError(f"unknown command {name!r}; run `help` to see all commands", 2)


def _entry_points(group: str) -> "list[EntryPoint]":
    if not _names(group):
        return []
    from importlib.metadata import entry_points

    return list(entry_points(group=group))


def _names(group: str) -> list[str]:
    """Return the names of the entry points in a group, of all packages on the path.

    importlib.metadata is slower: it parses all metadata of each package.
    """
    names = []
    for text in _entry_point_files():
        _, _, section = f"\n{text}".partition(f"\n[{group}]\n")
        for line in section.split("\n[", 1)[0].splitlines():
            name, equals, _ = line.partition("=")
            if equals and not name.startswith(("#", ";")):
                names.append(name.strip())
    return names


def _entry_point_files() -> list[str]:
    texts = []
    for directory in sys.path:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")) or name == "EGG-INFO":
                try:
                    path = os.path.join(directory, name, "entry_points.txt")
                    with open(path, encoding="utf-8", errors="replace") as file:
                        texts.append(file.read())
                except OSError:
                    pass
    return texts


def _run_script(context: Context, entry_point: "EntryPoint", args: list[str]) -> int:
    import logging

    from recipe.control import zope

    module = zope.imitate_interpreter(context, [entry_point.name, *args])
    logging.basicConfig()
    with zope.opened(context) as app:
        vars(module)["app"] = app
        if not context.options.no_request:
            zope.with_request(app)
        if not context.options.no_login:
            zope.log_in()
        # As in 9.1.0, the function gets the root without the request
        return _status(entry_point.load()(app, sys.argv[1:]))


def _run_hosted(context: Context, entry_point: "EntryPoint", args: list[str]) -> int:
    from recipe.common import databases

    host = Host(context)
    function = entry_point.load()
    os.environ.update(context.environment_for_python())
    try:
        result = function(host, " ".join(args))
    finally:
        # Some functions configure Zope in this process
        databases.close_all()
    return _status(host._exitstatus) or _status(result)


def _status(value: object) -> int:
    return value if isinstance(value, int) else 0


class HostOptions:
    """The attribute ``options`` of a `Host`, with the names that 9.1.0 has."""

    def __init__(self, context: Context) -> None:
        options = context.options
        self.args = list(options.args)
        self.object_path = options.object_path or None
        self.no_request = options.no_request
        self.no_login = options.no_login
        self.python = sys.executable
        self.interpreter = options.interpreter
        self.configfile = options.zope_conf
        self.wsgi = context.wsgi_ini
        self.progname = sys.argv[0]
        self.directory = context.facts.instance_home

        self._configroot: Any = None

    @property
    def configroot(self) -> "Any":
        """The configuration in zope.conf; raises what ZConfig raises if it is wrong."""
        if self._configroot is None:
            from Zope2.Startup.options import ZopeWSGIOptions

            self._configroot = ZopeWSGIOptions(configfile=self.configfile)().configroot
        return self._configroot


class Host:
    """The first argument of a function of the group ``plone.recipe.zope2instance.ctl``."""

    def __init__(self, context: Context) -> None:
        self.options = HostOptions(context)
        #: the exit status of the command; the function may set it
        self._exitstatus = 0

    def get_startup_cmd(self, python: str, code: str, pyflags: str = "") -> str:
        """Return a shell command that runs `code` with Zope's root as `app`, and `obj` if there is an object path.

        `code` is put in double quotes; the caller escapes what the shell expands there. `pyflags`: options
        of Python, such as ``-i``.
        """
        interpreter = f' "{self.options.interpreter}" {pyflags}' if self.options.interpreter else ""
        return f'"{python}" {pyflags}{interpreter} -c "{self._startup()}{code}"'

    def _startup(self) -> str:
        options = self.options
        lines = [
            "from Zope2.Startup.run import configure_wsgi",
            f"configure_wsgi(r'{options.configfile}')",
            "import Zope2",
            "app = Zope2.app()",
        ]
        if not options.no_request:
            lines += ["from recipe.control.zope import with_request", "app = with_request(app)"]
            if options.object_path:
                lines += ["from recipe.control.zope import traverse", f"traverse(app, r'{options.object_path}')"]
        if not options.no_login:
            lines += ["from recipe.control.zope import log_in", "log_in()"]
        if options.object_path:
            lines += [f"obj = app.restrictedTraverse(r'{options.object_path}')"]
        return "; ".join([*lines, ""])
