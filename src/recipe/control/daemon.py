"""Commands for a server in the background: start, stop, reload, status and others.

`recipe.control.supervisor` keeps the server running, `recipe.control.manager` talks to it.
"""

import json
import os
import sys
import time

from recipe.common.names import CLOSING, SOCKET
from recipe.control import manager
from recipe.control.context import Context
from recipe.control.errors import CommandError
from recipe.control.manager import State

#: Exit status if the server does not run. LSB and systemd define it for `status`; other commands use it, too.
NOT_RUNNING = 3

#: Seconds between two checks of a condition.
PAUSE = 0.1


def status(context: Context, args: list[str]) -> int:
    """Print whether the server runs; return 0 if it does, else 3."""
    as_json = args == ["--json"]
    if args and not as_json:
        raise CommandError(f"unexpected argument: {args[0]}", 2)
    state = manager.state(_socket_directory(context))
    if as_json:
        _print_json(context, state)
    elif state is None:
        print("daemon manager not running")
    elif state.pid:
        print(f"program running; pid={state.pid}")
        # Without workers, the process id is the only number in the output; programs search for it
        if context.facts.workers > 1:
            print("workers:", *_workers(state.server))
    else:
        print("daemon manager running; daemon process not running")
    return 0 if state and state.pid else NOT_RUNNING


def _print_json(context: Context, state: State | None) -> None:
    running = bool(state and state.pid)
    values: dict[str, object] = {"name": context.facts.name, "running": running}
    if state:
        values["pid"] = state.pid or None
        values["server"] = state.server or None
        values["manager"] = state.manager
        values["since"] = round(state.since, 3)
        values["failures"] = state.failures
    values["listen"] = list(context.facts.listen)
    if context.facts.workers > 1:
        values["workers"] = _workers(state.server) if state and state.server else []
    print(json.dumps(values))


def _workers(pid: int) -> list[int]:
    from recipe.control.workers import workers

    return workers(pid)


def start(context: Context, args: list[str]) -> int:
    """Start the server and wait until it serves; raises CommandError if it does not."""
    _no_arguments(args)
    with _StartLock(context):
        state = manager.state(_socket_directory(context))
        if state and state.pid:
            print(f"daemon process already running; pid={state.pid}")
            return 0
        pid = _start(context)
    print(f"daemon process started, pid={pid}")
    return 0


def stop(context: Context, args: list[str]) -> int:
    """Stop the server and wait until it has stopped."""
    _no_arguments(args)
    directory = _socket_directory(context)
    if manager.state(directory) is None:
        print("daemon manager not running")
        if pid := server_pid(context):
            raise CommandError(
                f"the server runs in the foreground (fg or console) as process {pid}; "
                f"press Ctrl-C in its terminal, or run `{context.program} kill`"
            )
    else:
        _stop(context, directory)
        print("daemon process stopped")
    return 0


def restart(context: Context, args: list[str]) -> int:
    """Start the server with its new configuration, unless that is wrong; replace one that runs as `reload` does.

    A server that cannot be replaced is stopped first.
    """
    _no_arguments(args)
    with _StartLock(context):
        directory = _socket_directory(context)
        state = manager.state(directory)
        if state is None:
            print(f"daemon process started, pid={_start(context)}")
            return 0
        _check(context, "not restarted")
        try:
            _reload(context, directory, state)
            pid = state.manager
        except CannotReloadError as reason:
            if not context.facts.zserver_python:
                print(f"stopping the server first, since {reason}", flush=True)
            _stop(context, directory)
            pid = _start(context)
    print(f"daemon process restarted, pid={pid}")
    return 0


def reload(context: Context, args: list[str]) -> int:
    """Replace the server by one with the new configuration, without refusing a client."""
    _no_arguments(args)
    with _StartLock(context):
        directory = _socket_directory(context)
        state = manager.state(directory)
        if state is None:
            raise CommandError("daemon manager not running", NOT_RUNNING)
        _check(context, "not reloaded")
        try:
            _reload(context, directory, state)
        except CannotReloadError as reason:
            raise CommandError(f"{reason}; run `{context.program} restart`") from None
    print(f"daemon process reloaded, pid={state.manager}")
    return 0


def _check(context: Context, result: str) -> None:
    from recipe.control import check

    if check.report(context):
        raise CommandError(f"{result}; the server keeps running with its old configuration")


class CannotReloadError(Exception):
    """The server cannot be replaced while it runs; the text says why."""


def _reload(context: Context, directory: str, state: State) -> None:
    """Let the supervisor replace the server. Raises CannotReloadError, or CommandError if the new server fails."""
    from recipe.control import serving

    if context.facts.zserver_python:
        raise CannotReloadError("ZServer cannot be replaced while it runs")
    if not state.reloads:
        raise CannotReloadError("it was started by another release")
    order = {"command": serving.command(context), "environment": serving.background_environment(context)}
    for line in manager.follow(directory, f"reload {json.dumps(order)}"):
        try:
            [(word, text)] = json.loads(line).items()
        except ValueError:  # for example an environment that is too long
            raise CommandError(f"the daemon manager does not accept the command: {line}") from None
        if word == "done":
            return
        if word == "unable":
            raise CannotReloadError(text)
        if word in ("failed", "ended"):
            *details, last = text.strip().splitlines()
            print("\n".join(details), end="\n" if details else "", file=sys.stderr)
            kept = "; the server keeps running with its old configuration" if word == "failed" else ""
            raise CommandError(f"{last}{kept}")
        print(text, flush=True)
    raise CommandError("the daemon manager has ended")


def wait(context: Context, args: list[str]) -> int:
    """Wait until the server has stopped."""
    _no_arguments(args)
    directory = _socket_directory(context)
    while manager.state(directory):
        time.sleep(PAUSE)
    print("daemon process stopped")
    return 0


def kill(context: Context, args: list[str]) -> int:
    """Send the server a signal."""
    if len(args) > 1:
        raise CommandError(f"unexpected argument: {args[1]}", 2)
    number, name = _signal(args[0] if args else "TERM")
    state = manager.state(_socket_directory(context))
    # Only the supervisor can reload; all else goes to the server itself, whose user may be another one
    pid = state.pid if state and state.server and name == "SIGHUP" else _running_pid(context)
    _send(pid, number)
    print(f"signal {name} sent to process {pid}")
    return 0


def logreopen(context: Context, args: list[str]) -> int:
    """Let the server reopen its log files; it may also run in the foreground."""
    _no_arguments(args)
    # Not USR2, with which gunicorn's own program starts again; ZServer prints its stacks with USR1
    _send(_running_pid(context), _signal("USR2" if context.facts.zserver_python else "USR1")[0])
    return 0


def reopen_transcript(context: Context, args: list[str]) -> int:
    """Do nothing, if the server runs: only a zdaemon has a log file to reopen."""
    _no_arguments(args)
    if manager.ask(_socket_directory(context), "reopen_transcript") is None:
        raise CommandError("daemon manager not running", NOT_RUNNING)
    return 0


def _no_arguments(args: list[str]) -> None:
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)


def _socket_directory(context: Context) -> str:
    """Return the directory of the manager's socket; a rebuild may have moved it while the manager runs."""
    directory = context.facts.client_home
    if os.path.exists(os.path.join(directory, SOCKET)):
        return directory
    return manager.directory_of_running(context.server_file) or directory


def server_pid(context: Context) -> int:
    """Return the process id of the server, 0 if it does not run.

    The manager knows it; for a server in the foreground, it is in the pid file.
    """
    state = manager.state(_socket_directory(context))
    if state and state.server:
        return state.server
    try:
        with open(context.facts.pid_file, encoding="ascii") as file:
            pid = int(file.read())
    except (OSError, ValueError):
        return 0
    from recipe.control import serving

    return pid if manager.runs(pid, serving.identity(context)) else 0


def _running_pid(context: Context) -> int:
    if pid := server_pid(context):
        return pid
    raise CommandError("daemon process not running", NOT_RUNNING)


def _signal(text: str) -> tuple[int, str]:
    """Return the number and the name of a signal: ``12``, ``USR2`` or ``SIGUSR2``, in upper or lower case."""
    from signal import Signals

    try:
        name = "SIG" + text.upper().removeprefix("SIG")
        number = Signals(int(text)) if text.isdecimal() else Signals[name]
    except (ValueError, KeyError):
        raise CommandError(f"{text!r} is not a signal; use a name or a number, such as TERM or 15", 2) from None
    return int(number), number.name


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise CommandError("daemon process not running", NOT_RUNNING) from None
    except PermissionError:
        raise CommandError(f"not permitted to send a signal to process {pid}") from None


class _StartLock:
    """A lock on the client home: of several commands that start the server, one runs at a time."""

    def __init__(self, context: Context) -> None:
        self._path = context.facts.client_home

    def __enter__(self) -> None:
        import fcntl

        try:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        except OSError as error:
            raise CommandError(f"cannot open {self._path}: {error.strerror}") from None
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _stop(context: Context, directory: str) -> None:
    """Stop the server and its manager; kill a server that does not stop in time."""
    manager.ask(directory, "stop")
    deadline = time.monotonic() + context.facts.graceful_timeout + CLOSING
    while manager.state(directory):
        if time.monotonic() > deadline:
            manager.ask(directory, "kill 9")
            deadline += CLOSING
        time.sleep(PAUSE)


def _start(context: Context) -> int:
    """Start the server and wait until it serves; return its process id.

    Raises CommandError if the server fails, after it has stopped what it started.
    """
    from recipe.control.launch import launch

    directory = context.facts.client_home
    if manager.state(directory):
        _stop(context, directory)  # a manager whose server fails again and again
    try:
        return launch(context, directory)
    except CommandError:
        if manager.state(directory):
            _stop(context, directory)
        raise
    finally:
        sys.stdout.flush()
