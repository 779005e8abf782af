"""Commands about the server in the background: start, stop, restart, status and the like.

zdaemon keeps it; see `recipe.control.keeper` for the process, and `manager` for talking to it.
"""

import json
import os
import sys
import time

from recipe.common.names import SOCKET
from recipe.control import manager
from recipe.control.context import Context
from recipe.control.errors import CommandError
from recipe.control.manager import State

#: Exit status of a command that needs a running server; for `status` LSB and systemd have it so.
NOT_RUNNING = 3

#: Seconds that a server gets over its graceful timeout, to close its databases.
CLOSING = 30

#: Seconds between two looks.
PAUSE = 0.1


def status(context: Context, args: list[str]) -> int:
    """Tell whether the server runs: 0, or 3 where it does not."""
    as_json = args == ["--json"]
    if args and not as_json:
        raise CommandError(f"unexpected argument: {args[0]}", 2)
    found = _state(_place(context))
    if as_json:
        _print_json(context, found)
    elif found is None:
        print("daemon manager not running")
    elif found.pid:
        print(f"program running; pid={found.pid}")
        # With one process these are the only digits, which programs look for
        if context.facts.workers > 1:
            print("workers:", *_workers(found.pid))
    else:
        print("daemon manager running; daemon process not running")
    return 0 if found and found.pid else NOT_RUNNING


def _print_json(context: Context, found: State | None) -> None:
    running = bool(found and found.pid)
    values: dict[str, object] = {"name": context.facts.name, "running": running}
    if found:
        values["pid"] = found.pid or None
        values["manager"] = found.manager
        values["since"] = round(found.since, 3)
        values["failures"] = found.failures
    values["listen"] = list(context.facts.listen)
    if context.facts.workers:
        values["workers"] = _workers(found.pid) if found and found.pid else []
    print(json.dumps(values))


def _workers(pid: int) -> list[int]:
    from recipe.control.workers import workers

    return workers(pid)


def start(context: Context, args: list[str]) -> int:
    """Start the server, and wait until it serves; 1 where it does not."""
    _no_arguments(args)
    with _Alone(context):
        found = _state(_place(context))
        if found and found.pid:
            print(f"daemon process already running; pid={found.pid}")
            return 0
        pid = _start(context)
    print(f"daemon process started, pid={pid}")
    return 0


def stop(context: Context, args: list[str]) -> int:
    """Stop the server, and wait until it has ended."""
    _no_arguments(args)
    place = _place(context)
    if _state(place) is None:
        print("daemon manager not running")
        if pid := server(context):
            raise CommandError(f"process {pid} serves without one (fg, console): end it there, or by kill TERM")
    else:
        _stop(context, place)
        print("daemon process stopped")
    return 0


def restart(context: Context, args: list[str]) -> int:
    """Stop the server and start it anew, unless its new configuration is wrong."""
    _no_arguments(args)
    with _Alone(context):
        place = _place(context)
        found = _state(place)
        if found:
            from recipe.control import check

            if check.report(context):
                raise CommandError("not restarted; the server runs on as it was")
            _stop(context, place)
        pid = _start(context)
    print(f"daemon process {'restarted' if found else 'started'}, pid={pid}")
    return 0


def wait(context: Context, args: list[str]) -> int:
    """Wait until the server has ended."""
    _no_arguments(args)
    place = _place(context)
    while _state(place):
        time.sleep(PAUSE)
    print("daemon process stopped")
    return 0


def kill(context: Context, args: list[str]) -> int:
    """Send the server a signal."""
    if len(args) > 1:
        raise CommandError(f"unexpected argument: {args[1]}", 2)
    number, name = _signal(args[0] if args else "TERM")
    pid = _pid(context)
    _send(pid, number)
    print(f"signal {name} sent to process {pid}")
    return 0


def logreopen(context: Context, args: list[str]) -> int:
    """Let the server reopen its log files, also one that ``console`` runs."""
    _no_arguments(args)
    # USR2 means the same to our server, and to gunicorn that it shall start anew; USR1 means
    # to ZServer that it shall print its stacks.
    _send(_pid(context), _signal("USR2" if context.facts.zserver_python else "USR1")[0])
    return 0


def reopen_transcript(context: Context, args: list[str]) -> int:
    """Let the daemon manager reopen its own files."""
    _no_arguments(args)
    if manager.ask(_place(context), "reopen_transcript") is None:
        raise CommandError("daemon manager not running", NOT_RUNNING)
    return 0


def _no_arguments(args: list[str]) -> None:
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)


def _place(context: Context) -> str:
    """Return the directory with the manager's socket, the old one if it runs since a rebuild."""
    place = context.facts.client_home
    if os.path.exists(os.path.join(place, SOCKET)):
        return place
    return manager.place_of_running(context.server_file) or place


_state = manager.state


def server(context: Context) -> int:
    """Return the server's process: the manager's, else what the pid file says, if that is one.

    0: none runs.
    """
    found = _state(_place(context))
    if found and found.pid:
        return found.pid
    try:
        with open(context.facts.pid_file, encoding="ascii") as file:
            pid = int(file.read())
    except (OSError, ValueError):
        return 0
    return pid if manager.serves(pid, context.server_file) else 0


def _pid(context: Context) -> int:
    if pid := server(context):
        return pid
    raise CommandError("daemon process not running", NOT_RUNNING)


def _signal(text: str) -> tuple[int, str]:
    """Return the number and name of a signal: ``12``, ``USR2``, ``SIGUSR2``, in any case."""
    from signal import Signals

    try:
        name = "SIG" + text.upper().removeprefix("SIG")
        number = Signals(int(text)) if text.isdecimal() else Signals[name]
    except (ValueError, KeyError):
        raise CommandError(f"invalid signal {text!r}", 2) from None
    return int(number), number.name


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise CommandError("daemon process not running", NOT_RUNNING) from None
    except PermissionError:
        raise CommandError(f"not permitted to send a signal to process {pid}") from None


class _Alone:
    """Lets one of several starts at once go first, and the others look what came of it."""

    def __init__(self, context: Context) -> None:
        self._place = context.facts.client_home

    def __enter__(self) -> None:
        import fcntl

        try:
            self._directory = os.open(self._place, os.O_RDONLY)
        except OSError as error:
            raise CommandError(f"cannot open {self._place}: {error.strerror}") from None
        fcntl.flock(self._directory, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)


def _stop(context: Context, place: str) -> None:
    manager.ask(place, "stop")
    deadline = time.monotonic() + context.facts.graceful_timeout + CLOSING
    while _state(place):
        if time.monotonic() > deadline:
            # It hangs: nothing it could still do is worth more than its end.
            manager.ask(place, "kill 9")
            deadline += CLOSING
        time.sleep(PAUSE)


def _start(context: Context) -> int:
    """Start the server and wait until it serves; return its process id.

    Raises CommandError with what is wrong, and leaves nothing running then.
    """
    from recipe.control.launch import launch

    place = context.facts.client_home
    leftover = _state(place)
    if leftover:
        _stop(context, place)  # a manager whose server fails again and again
    try:
        return launch(context, place)
    except CommandError:
        if _state(place):
            _stop(context, place)
        raise
    finally:
        sys.stdout.flush()
