"""Starts the server in the background, and waits until it serves or fails."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from recipe.common import address
from recipe.common.polling import readable
from recipe.control import logs, manager, serving
from recipe.control.context import Context
from recipe.control.errors import CommandError

#: Lines of the event log to print if the server fails to start.
SHOWN = 40

#: Seconds in which a server of another package must open its port.
OPENING = 60


def launch(context: Context, directory: str) -> int:
    """Start a manager with a server; return the server's process id as soon as it serves.

    `directory`: for the manager's socket. Raises CommandError if the server fails; the manager may
    still run then, and start the server again.
    """
    log = logs.event_log(context)
    old_size = logs.size(log)
    with _report_pipe(context) as (pipe, path):
        _start_manager(context, directory, path)
        _give_away_socket(context, directory)
        try:
            return _wait(context, directory, pipe)
        except CommandError as error:
            *details, last = str(error).strip().splitlines()
            lines = logs.last_lines(log, SHOWN, old_size)
            # The log may contain the error, too, which is not printed twice
            other_lines = [line for line in lines if not line.endswith(last)]
            for line in other_lines if len(other_lines) < len(lines) else [*other_lines, *details]:
                print(line, file=sys.stderr)
            raise CommandError(last) from None


@contextmanager
def _report_pipe(context: Context) -> Iterator[tuple[int, str]]:
    """Create the pipe on which the server reports; yield the descriptor to read from, and the path to write to.

    The pipe has a path because the manager, which runs for longer than this process, passes no descriptors on.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="zopectl-") as directory:
            path = os.path.join(directory, "report")
            os.mkfifo(path, 0o600)
            _give_away(context, directory)
            _give_away(context, path)
            # O_RDWR, so that the pipe stays open when a writer closes it
            pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            try:
                yield pipe, path
            finally:
                os.close(pipe)
    except OSError as error:
        raise CommandError(f"cannot start: {error.strerror}: {error.filename}") from None


def _start_manager(context: Context, directory: str, report: str) -> None:
    facts = context.facts
    server = serving.command(context, "--report", report)
    socket_path = manager.SocketPath(directory)
    with socket_path as path:
        _remove_stale(path)
        keeper = [directory, path, context.umask or "022", facts.instance_home, *server]
        result = subprocess.run(
            [*context.python(), "-m", manager.KEEPER, *keeper],
            env=serving.background_environment(context),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=() if socket_path.descriptor is None else (socket_path.descriptor,),
            text=True,
        )
    if result.returncode:
        message = f"the daemon manager failed with exit status {result.returncode}"
        raise CommandError(result.stderr.strip() or message)


def _remove_stale(path: str) -> None:
    """Remove the socket of a manager that has died. Raises CommandError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CommandError(f"cannot remove the old control socket {path}: {error.strerror}") from None


def _give_away_socket(context: Context, directory: str) -> None:
    with manager.SocketPath(directory) as path:
        _give_away(context, path)


def _give_away(context: Context, path: str) -> None:
    """Make the server's user the owner of a file, if this process is root and the server changes its user."""
    from recipe.common import privileges

    if privileges.needed(context.facts.effective_user):
        entry = privileges.lookup(context.facts.effective_user)
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _wait(context: Context, directory: str, pipe: int) -> int:
    """Wait for the server's report; return its process id.

    If the report says that the server waits for a ZEO server, print it. Raises CommandError if the
    server reports a failure, or ends without a report.
    """
    first_pid = 0
    while not readable([pipe], 0.2):
        state = manager.state(directory)
        first_pid = first_pid or (state.server if state else 0)
        if state is None or state.failures or state.server != first_pid:
            if readable([pipe], 0):
                break
            raise CommandError(f"the server ended without a message; run `{context.program} fg` to see what it prints")
    word, _, text = os.read(pipe, 65536).decode("utf-8", "replace").partition(" ")
    if word == "failed":
        raise CommandError(text)
    if word == "waiting":
        print(text)
    state = manager.state(directory)
    if word == "loaded" and context.facts.listen:
        _wait_for_port(context, directory)
    if not (state and state.pid):
        raise CommandError(f"the server ended after its start; run `{context.program} fg` to see what it prints")
    return state.pid


def _wait_for_port(context: Context, directory: str) -> None:
    """Wait until the server listens: a server of another package does not report this."""
    deadline = time.monotonic() + OPENING
    while True:
        state = manager.state(directory)
        if state is None or state.failures or time.monotonic() > deadline:
            message = f"the server does not listen on any address; run `{context.program} fg` to see what it prints"
            raise CommandError(message)
        if _listens(context, state.server):
            return
        time.sleep(0.1)


def _listens(context: Context, pid: int) -> bool:
    """Whether the process has a listening socket; without Linux's /proc, whether all addresses accept connections."""
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            # Columns: proc(5), flag: __SO_ACCEPTCON
            listening = {row.split()[6] for row in file.readlines()[1:] if row.split()[3] == "00010000"}
        for name in ("tcp", "tcp6"):
            if os.path.exists(f"/proc/net/{name}"):
                with open(f"/proc/net/{name}", encoding="ascii") as file:
                    listening |= {row.split()[9] for row in file.readlines()[1:] if row.split()[3] == "0A"}
        links = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return all(_accepts(address.parse(text)) for text in context.facts.listen)
    return any(link.removeprefix("socket:[").rstrip("]") in listening for link in links)


def _accepts(listen: address.Address) -> bool:
    """Whether the address accepts a connection."""
    if listen.path:
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(listen.path) == 0
    host = {"0.0.0.0": "127.0.0.1", "*": "localhost", "::": "::1"}.get(listen.host, listen.host)
    try:
        socket.create_connection((host, listen.port), 1).close()
    except OSError:
        return False
    return True
