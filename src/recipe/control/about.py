"""Commands that print information about the instance: help, show, logtail."""

import os
import time

from recipe.control import daemon, logs
from recipe.control.context import Context
from recipe.control.errors import CommandError

#: How many lines `logtail` prints at first.
LINES = 10


def help_(context: Context, args: list[str]) -> int:
    """Print all commands and options, or describe one command."""
    from recipe.control import addons
    from recipe.control.commandline import OPTIONS, SCRIPT_OPTIONS
    from recipe.control.commands import COMMANDS

    if args:
        if args[0] not in COMMANDS:
            return addons.help_(context, args[0])
        command = COMMANDS[args[0]]
        print(f"usage: {context.program} {args[0]} {command.arguments}".rstrip())
        print(f"    {command.text}")
        return 0
    print(f"usage: {context.program} [OPTIONS] [COMMAND]\n")
    print(f"Without COMMAND, {context.program} prompts for commands.\n\nCommands:")
    _print_rows([(f"{name} {command.arguments}", command.text) for name, command in COMMANDS.items()])
    if names := addons.command_names():
        print(f"\nCommands of installed packages: {', '.join(names)}")
    print("\nOptions (before the command):")
    _print_rows([(str(option), option.text) for option in OPTIONS])
    print("\nOptions for run, exec, debug and commands of installed packages:")
    _print_rows([(str(option), option.text) for option in SCRIPT_OPTIONS])
    print(f"\nShort options can be combined: {context.program} -RLO Plone debug")
    return 0


def _print_rows(rows: list[tuple[str, str]]) -> None:
    for left, right in rows:
        print(f"  {left:<24} {right}")


def show(context: Context, args: list[str]) -> int:
    """Print what this script knows about its instance."""
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
    """Print the last lines of the event log, then each line that is added, until Ctrl-C."""
    if len(args) > 1:
        raise CommandError(f"unexpected argument: {args[1]}", 2)
    path = args[0] if args else _event_log(context)
    if not path:
        raise CommandError("this instance does not write its event log to a file; name another FILE")
    if not os.path.exists(path):
        raise CommandError(f"{path} does not exist yet")
    for line in logs.last_lines(path, LINES):
        print(line)
    try:
        _follow(path)
    except KeyboardInterrupt:
        print()
    return 0


def _event_log(context: Context) -> str | None:
    """Return the event log of the running server, which may have been started before a rebuild."""
    path = logs.event_log(context)
    pid = daemon.server_pid(context)
    access_log = os.path.basename(context.facts.access_log or "")
    open_logs = [log for log in (logs.held_open(pid) if pid else []) if os.path.basename(log) != access_log]
    if not open_logs or path in open_logs:
        return path
    same_name = [log for log in open_logs if path and os.path.basename(log) == os.path.basename(path)]
    return (same_name or open_logs)[-1]


def _follow(path: str) -> None:
    """Print what is added to the file at `path`, also after another file has replaced it. Never returns."""
    file = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115
    file.seek(0, os.SEEK_END)
    while True:
        moved = _moved(path, file.fileno(), file.tell())
        # Read after the check, so that nothing written before the move is lost
        print(file.read(), end="", flush=True)
        if moved:
            file.close()
            file = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115
        else:
            time.sleep(0.2)


def _moved(path: str, descriptor: int, position: int) -> bool:
    """Whether `path` is another file by now, or the open file was truncated below `position`."""
    try:
        at_path, opened = os.stat(path), os.fstat(descriptor)
    except OSError:
        return False  # it does not exist at the moment
    return (at_path.st_dev, at_path.st_ino) != (opened.st_dev, opened.st_ino) or opened.st_size < position
