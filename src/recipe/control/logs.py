"""The paths of the logs, and their last lines."""

import os

from recipe.control.context import Context


def event_log(context: Context) -> str | None:
    """Return the path of the event log; None if it goes to no file."""
    path = context.facts.event_log
    return _from_ini(context.wsgi_ini) if path == "" else path


def _from_ini(path: str) -> str | None:
    """Return the file name among the arguments of ``[handler_eventlog]`` in a wsgi.ini."""
    import ast
    from configparser import Error, RawConfigParser

    parser = RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        args = ast.literal_eval(parser.get("handler_eventlog", "args"))
        name = str(args[0]).replace("%(here)s", os.path.dirname(path)).replace("%%", "%")
    except (Error, OSError, ValueError, SyntaxError, IndexError, TypeError):
        return None
    return os.path.join(os.path.dirname(path), name)


def held_open(pid: int) -> list[str]:
    """Return the paths of the files that a process appends to (its logs), in the order of their descriptors.

    A server that was started before a rebuild may write to other logs than the facts name. On systems
    without Linux's /proc, the list is empty.
    """
    process = f"/proc/{pid}"
    paths = []
    try:
        for number in sorted(os.listdir(f"{process}/fd"), key=int):
            with open(f"{process}/fdinfo/{number}", encoding="ascii") as file:
                flags = int(file.read().partition("flags:")[2].split()[0], 8)
            path = os.readlink(f"{process}/fd/{number}")
            if flags & os.O_APPEND and path.startswith("/") and os.path.isfile(path):
                paths.append(path)
    except OSError:
        pass
    return paths


def size(path: str | None) -> int:
    """Return the size of a log in bytes; 0 if it does not exist."""
    try:
        return os.stat(path).st_size if path else 0
    except OSError:
        return 0


def last_lines(path: str | None, count: int, start: int = 0) -> list[str]:
    """Return the last lines of a log: at most `count`, and none before the byte `start`."""
    try:
        if not path:
            return []
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            # Most lines are shorter than 1000 bytes
            start = max(start, end - 1000 * count)
            file.seek(start)
            text = file.read(end - start).decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
