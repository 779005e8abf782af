"""Commands of other packages.

Two groups of entry points: a function of ``zopectl.command`` gets Zope's root and arguments, one
of ``plone.recipe.zope2instance.ctl`` gets a `Host` and one string. Our own commands go first.
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
    """Run the command `name` of some package; return its exit status.

    Raises CommandError (2) where no package has one.
    """
    for group, call in ((SCRIPTS, _run_script), (HOSTED, _run_hosted)):
        for found in _entry_points(group):
            if found.name == name:
                return call(context, found, args)
    raise CommandError(f"unknown command {name!r}; help tells those there are", 2)


def names() -> list[str]:
    """Return the names of all packages' commands."""
    from recipe.control.commands import COMMANDS

    found = {name for group in (SCRIPTS, HOSTED) for name in _names(group)}
    return sorted(found - set(COMMANDS))


def help_(context: Context, name: str) -> int:
    """Print what a package says of its command.

    Raises CommandError (2) where no package has one.
    """
    for group in (SCRIPTS, HOSTED):
        for one in _entry_points(group):
            if one.name == name:
                text = one.load().__doc__
                print(text.strip() if text else f"{name}: a command of {one.value}")
                return 0
    raise CommandError(f"unknown command {name!r}; help tells those there are", 2)


def _entry_points(group: str) -> "list[EntryPoint]":
    if not _names(group):
        return []
    from importlib.metadata import entry_points

    return list(entry_points(group=group))


def _names(group: str) -> list[str]:
    """Return the names in a group of entry points, of all packages on the path.

    importlib.metadata would read and parse all that there is of each, and takes its time.
    """
    found = []
    for text in _entry_point_files():
        _, _, section = f"\n{text}".partition(f"\n[{group}]\n")
        for line in section.split("\n[", 1)[0].splitlines():
            name, equals, _ = line.partition("=")
            if equals and not name.startswith(("#", ";")):
                found.append(name.strip())
    return found


def _entry_point_files() -> list[str]:
    texts = []
    for place in sys.path:
        try:
            found = os.listdir(place or ".")
        except OSError:
            continue
        for name in found:
            if name.endswith((".dist-info", ".egg-info")) or name == "EGG-INFO":
                try:
                    path = os.path.join(place, name, "entry_points.txt")
                    with open(path, encoding="utf-8", errors="replace") as file:
                        texts.append(file.read())
                except OSError:
                    pass
    return texts


def _run_script(context: Context, found: "EntryPoint", args: list[str]) -> int:
    import logging

    from recipe.control import zope

    sys.argv = zope.legacy_argv(context, [found.name, *args])
    logging.basicConfig()
    with zope.opened(context) as app:
        zope.main_module(sys.argv[0], {"app": app})
        if not context.options.no_request:
            zope.with_request(app)
        if not context.options.no_login:
            zope.log_in()
        # The root as it is: a request on it is the function's own business.
        return _status(found.load()(app, sys.argv[1:]))


def _run_hosted(context: Context, found: "EntryPoint", args: list[str]) -> int:
    from recipe.common import databases

    host = Host(context)
    function = found.load()
    if not context.options.interpreter:
        os.environ.update(context.environment_for_python())
    try:
        result = function(host, " ".join(args))
    finally:
        # Some configure Zope here.
        databases.close_all()
    return _status(host._exitstatus) or _status(result)


def _status(value: object) -> int:
    return value if isinstance(value, int) else 0


class HostOptions:
    """The options as these functions look them up."""

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
        """zope.conf, as ZConfig reads it; an error there is ZConfig's."""
        if self._configroot is None:
            from Zope2.Startup.options import ZopeWSGIOptions

            self._configroot = ZopeWSGIOptions(configfile=self.configfile)().configroot
        return self._configroot


class Host:
    """What a function of the group ``plone.recipe.zope2instance.ctl`` gets as ``self``."""

    def __init__(self, context: Context) -> None:
        self.options = HostOptions(context)
        #: the command's exit status; the function may set it
        self._exitstatus = 0

    def get_startup_cmd(self, python: str, code: str, pyflags: str = "") -> str:
        """Return a command for the shell that runs `code` with Zope, `app`, and `obj`.

        `code` stands in double quotes in the end; what means something to the shell there is
        the caller's to escape, as ever. `pyflags`: options for Python, such as ``-i``.
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
