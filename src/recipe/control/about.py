"""Commands that tell about the instance: help, show, logtail."""

import os
import time

from recipe.control import daemon, logs
from recipe.control.context import Context
from recipe.control.errors import CommandError

#: Lines that `logtail` begins with.
LINES = 10

OPTIONS_HELP = """\
Options, before the command:
  -h, --help              this help
  -i, --interactive       a prompt for commands, after the one given, if any
  -C, --configure FILE    zope.conf
  -p, --python FILE       the interpreter script of the instance
  -w, --wsgi FILE         wsgi.ini
  -m, --umask OCTAL       the server's umask
For run, exec and debug:
  -R, --no-request        do not set up a request
  -L, --no-login          do not log in the system user
  -O, --object-path PATH  make the object at PATH available as `obj`
Several in one: -RLOPlone/front-page debug"""


def help_(context: Context, args: list[str]) -> int:
    """Tell the commands, or about one of them."""
    from recipe.control import addons
    from recipe.control.commands import COMMANDS

    if args:
        if args[0] in COMMANDS:
            one = COMMANDS[args[0]]
            print(f"{args[0]} {one.usage}".rstrip())
            print(f"    {one.text}")
            return 0
        return addons.help_(context, args[0])
    print(f"usage: {context.program} [OPTIONS] [COMMAND [ARGUMENTS]]\n\nCommands:")
    for name, one in COMMANDS.items():
        print(f"  {name:<18} {one.text}")
    if names := addons.names():
        print(f"\nOf the packages installed: {', '.join(names)}")
    print(f"\n{OPTIONS_HELP}\n\nWithout a command: a prompt for commands.")
    return 0


def show(context: Context, args: list[str]) -> int:
    """Show what this script knows of its instance."""
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)
    print(f"zope_conf: {context.zope_conf}")
    if not context.facts.zserver_python:
        print(f"wsgi_ini: {context.wsgi_ini}")
    print(f"interpreter: {context.options.interpreter}")
    for key, value in context.facts._asdict().items():
        if key == "event_log":
            value = logs.event_log(context)
        print(f"{key}: {' '.join(value) if isinstance(value, tuple) else value}")
    return 0


def logtail(context: Context, args: list[str]) -> int:
    """Print the last lines of the event log, and what is written to it, until Ctrl-C."""
    if len(args) > 1:
        raise CommandError(f"unexpected argument: {args[1]}", 2)
    path = args[0] if args else _event_log(context)
    if not path:
        raise CommandError("this instance has no event log")
    if not os.path.exists(path):
        raise CommandError(f"there is no {path} yet")
    for line in logs.last_lines(path, LINES):
        print(line)
    try:
        _follow(path)
    except KeyboardInterrupt:
        print()
    return 0


def _event_log(context: Context) -> str | None:
    """Return the event log of the server that runs, which may have been started before a rebuild."""
    path = logs.event_log(context)
    pid = daemon.server(context)
    access_log = os.path.basename(context.facts.access_log or "")
    held = [one for one in (logs.held_open(pid) if pid else []) if os.path.basename(one) != access_log]
    if not held or path in held:
        return path
    same_name = [one for one in held if path and os.path.basename(one) == os.path.basename(path)]
    return (same_name or held)[-1]


def _follow(path: str) -> None:
    """Print what is added to a file, and to the one that takes its name."""
    file = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115
    file.seek(0, os.SEEK_END)
    while True:
        moved = _moved(path, file.fileno(), file.tell())
        # Read after the look: what was written before the move is ours.
        print(file.read(), end="", flush=True)
        if moved:
            file.close()
            file = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115
        else:
            time.sleep(0.2)


def _moved(path: str, descriptor: int, position: int) -> bool:
    """Whether another file has the name now, or the file was cut off."""
    try:
        named, ours = os.stat(path), os.fstat(descriptor)
    except OSError:
        return False  # not there at the moment
    return (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino) or ours.st_size < position
