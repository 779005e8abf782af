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


def held_open(pid: int) -> list[str]:
    """Return the files that a process appends to: its logs, in the order in which it opened them.

    A server that runs since before a rebuild writes to the logs of then. Linux alone tells.
    """
    place = f"/proc/{pid}"
    found = []
    try:
        for number in sorted(os.listdir(f"{place}/fd"), key=int):
            with open(f"{place}/fdinfo/{number}", encoding="ascii") as file:
                flags = int(file.read().partition("flags:")[2].split()[0], 8)
            path = os.readlink(f"{place}/fd/{number}")
            if flags & os.O_APPEND and path.startswith("/") and os.path.isfile(path):
                found.append(path)
    except OSError:
        pass
    return found


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
