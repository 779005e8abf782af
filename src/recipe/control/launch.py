"""Starting the server in the background, and finding out what comes of it."""

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from recipe.common import address
from recipe.control import logs, manager, serving
from recipe.control.context import Context
from recipe.control.errors import CommandError

#: Lines of the event log to show when the server does not come up.
SHOWN = 40

#: Seconds for a server not our own, from its start to an open port.
OPENING = 60


def launch(context: Context, place: str) -> int:
    """Start a manager with a server; return the server's process id once it serves.

    `place`: the directory for the manager's socket. Raises CommandError where the server fails;
    the manager may still run then, and try again.
    """
    log = logs.event_log(context)
    before = logs.size(log)
    with _report(context) as (pipe, path):
        _start_manager(context, place, path)
        _give_away_socket(context, place)
        try:
            return _wait(context, place, pipe)
        except CommandError as error:
            *others, last = str(error).strip().splitlines()
            lines = logs.last_lines(log, SHOWN, before)
            # What the server reports is in the log, too: once is enough.
            shown = [line for line in lines if not line.endswith(last)]
            for line in shown if len(shown) < len(lines) else [*shown, *others]:
                print(line, file=sys.stderr)
            raise CommandError(last) from None


@contextmanager
def _report(context: Context) -> Iterator[tuple[int, str]]:
    """Make the pipe on which the server reports; yield our end, and the name for the other.

    zdaemon closes what a server might inherit, so it has to have a name.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="zopectl-") as directory:
            path = os.path.join(directory, "report")
            os.mkfifo(path, 0o600)
            for one in (directory, path):
                _give_away(context, one)
            # O_RDWR, so that the end of one writer is not the end of the pipe.
            pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            try:
                yield pipe, path
            finally:
                os.close(pipe)
    except OSError as error:
        raise CommandError(f"cannot start: {error.strerror}: {error.filename}") from None


def _start_manager(context: Context, place: str, report: str) -> None:
    facts = context.facts
    server = serving.command(context, "--report", report)
    reachable = manager.Reachable(place)
    with reachable as path:
        _remove_stale(path)
        keeper = [place, path, context.umask or "022", facts.directory, *server]
        done = subprocess.run(
            [*context.python(), "-m", manager.KEEPER, *keeper],
            env=context.environment_for_python(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=() if reachable.directory is None else (reachable.directory,),
            text=True,
        )
    if done.returncode:
        raise CommandError(done.stderr.strip() or f"exit status {done.returncode}")


def _remove_stale(path: str) -> None:
    """Remove the socket of a manager that is gone; zdaemon would, and wait and tell of it."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CommandError(f"cannot remove the stale {path}: {error.strerror}") from None


def _give_away_socket(context: Context, place: str) -> None:
    with manager.Reachable(place) as path:
        _give_away(context, path)


def _give_away(context: Context, path: str) -> None:
    """Make a file of root's belong to the user that the server becomes."""
    from recipe.common import privileges

    if privileges.needed(context.facts.effective_user):
        entry = privileges.lookup(context.facts.effective_user)
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _wait(context: Context, place: str, pipe: int) -> int:
    """Wait for the server's report; return its process id.

    What the server waits for itself is printed. Raises CommandError where it says that it failed, or
    is gone without a word.
    """
    first = 0
    while not select.select([pipe], [], [], 0.2)[0]:
        found = manager.state(place)
        first = first or (found.pid if found else 0)
        if found is None or found.failures or found.pid != first:
            if select.select([pipe], [], [], 0)[0]:
                break
            raise CommandError(
                f"the server ended before it could say why; {context.program} fg would show what it prints"
            )
    word, _, text = os.read(pipe, 65536).decode("utf-8", "replace").partition(" ")
    if word == "failed":
        raise CommandError(text)
    if word == "waiting":
        print(text)
    found = manager.state(place)
    if word == "loaded" and context.facts.listen:
        _wait_for_port(context, place)
    if not (found and found.pid):
        raise CommandError("the server ended as soon as it served")
    return found.pid


def _wait_for_port(context: Context, place: str) -> None:
    """Wait until a server not our own listens, which does not tell."""
    deadline = time.monotonic() + OPENING
    while True:
        found = manager.state(place)
        if found is None or found.failures or time.monotonic() > deadline:
            raise CommandError("the server does not listen on any address")
        if _listens(context, found.pid):
            return
        time.sleep(0.1)


def _listens(context: Context, pid: int) -> bool:
    """Whether the process has a socket that listens; where the system does not tell, whether the addresses answer."""
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            # Columns: proc(5); the flag is __SO_ACCEPTCON
            listening = {row.split()[6] for row in file.readlines()[1:] if row.split()[3] == "00010000"}
        for name in ("tcp", "tcp6"):
            if os.path.exists(f"/proc/net/{name}"):
                with open(f"/proc/net/{name}", encoding="ascii") as file:
                    listening |= {row.split()[9] for row in file.readlines()[1:] if row.split()[3] == "0A"}
        links = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return all(_answers(address.parse(text)) for text in context.facts.listen)
    return any(link.removeprefix("socket:[").rstrip("]") in listening for link in links)


def _answers(one: address.Address) -> bool:
    if one.path:
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(one.path) == 0
    host = {"0.0.0.0": "127.0.0.1", "*": "localhost", "::": "::1"}.get(one.host, one.host)
    try:
        socket.create_connection((host, one.port), 1).close()
    except OSError:
        return False
    return True
