"""Where the logs are, and their last lines."""

import os

from recipe.control.context import Context


def event_log(context: Context) -> str | None:
    """Return the path of the event log, None where there is none."""
    known = context.facts.event_log
    return _from_ini(context.wsgi_ini) if known == "" else known


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


def held_open(pid: int, name: str) -> str | None:
    """Return the path of the file called `name` that a process has open, if it has one.

    A server that runs since before a rebuild writes to the log of then. Linux alone tells.
    """
    place = f"/proc/{pid}/fd"
    try:
        paths = [os.readlink(os.path.join(place, number)) for number in os.listdir(place)]
    except OSError:
        return None
    return next((path for path in paths if os.path.basename(path) == name), None)


def size(path: str | None) -> int:
    """Return how long a log is, 0 where it is not there."""
    try:
        return os.stat(path).st_size if path else 0
    except OSError:
        return 0


def last_lines(path: str | None, count: int, start: int = 0) -> list[str]:
    """Return the last lines of a log, at most `count`, none from before the byte `start`."""
    try:
        if not path:
            return []
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            # A line of a log is a hundred bytes; one of a traceback may be longer.
            start = max(start, end - 1000 * count)
            file.seek(start)
            text = file.read(end - start).decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
