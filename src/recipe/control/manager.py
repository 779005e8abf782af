"""Talking to the daemon manager, zdaemon's ``zdrun``, over its socket.

Its protocol is a line to it and some lines back (``zdaemon.zdrun``, ``docommand``). It is spoken
here, since importing zdaemon takes ten times as long as asking.
"""

import os
from _socket import AF_UNIX, socket  # what the module `socket` wraps, at a tenth of its price

from recipe.common.names import SOCKET
from recipe.control.errors import CommandError
from recipe.control.record import Record

#: The module that runs zdaemon; by this name a manager is known among the processes.
KEEPER = "recipe.control.keeper"

#: Bytes that the path of a unix socket may have: sun_path has 108 on Linux and 104 on BSD and
#: macOS, and zdaemon binds a temporary name first, by a dot and a process id longer.
MOST_BYTES = 90


#: What the manager says to one who is slow to speak when another one comes: it hears one at a
#: time. One tries again then.
SUPERSEDED = "Command superseded"
TRIES = 1000


class State(Record):
    """What the manager says of itself and of the server."""

    #: the server's process; 0: it does not run
    pid: int
    #: the manager's own process
    manager: int
    #: seconds since the epoch, when the server was started
    since: float
    #: how often in a row the server ended soon after it was started
    failures: int


def state(place: str) -> State | None:
    """Return the state of the manager in the directory `place`, None where there is none."""
    answer = ask(place, "status")
    if answer is None:
        return None
    values = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    return State(
        pid=int(values.get("application", 0)),
        manager=int(values.get("manager", 0)),
        since=float(values.get("lasttime", 0)),
        failures=int(values.get("backoff", 0)),
    )


def ask(place: str, command: str) -> str | None:
    """Return the answer to a command of the manager in `place`, None where there is none.

    Raises CommandError where this user may not talk to it.
    """
    for _ in range(TRIES):
        answer = _ask(place, command)
        if answer is None or not answer.startswith(SUPERSEDED):
            return answer
    raise CommandError("the daemon manager does not answer")


def _ask(place: str, command: str) -> str | None:
    with Reachable(place) as path:
        sock = socket(AF_UNIX)
        try:
            sock.connect(path)
        except PermissionError:
            sock.close()
            raise CommandError(f"not permitted to use {os.path.join(place, SOCKET)}") from None
        except OSError:
            sock.close()
            return None  # no file, or nobody behind it
        answer = b""
        try:
            sock.sendall(f"{command}\n".encode())
            while data := sock.recv(8192):
                answer += data
        except OSError:
            return SUPERSEDED  # it closed the connection, for that reason or because it ends
        finally:
            sock.close()
    return answer.decode("utf-8", "replace")


class Reachable:
    """A path of the socket in a directory that is short enough for the system, for a block.

    A long one goes by the number of the open directory, which children may inherit. Raises
    CommandError where the system has no such paths (it is Linux that does).
    """

    def __init__(self, place: str) -> None:
        self._place = place
        #: the open directory, None where the path is short
        self.directory: int | None = None

    def __enter__(self) -> str:
        path = os.path.join(self._place, SOCKET)
        if len(os.fsencode(path)) <= MOST_BYTES:
            return path
        if not os.path.isdir("/proc/self/fd"):
            raise CommandError(f"the path of the control socket is too long: {path}")
        try:
            self.directory = os.open(self._place, os.O_RDONLY)
        except OSError as error:
            raise CommandError(f"cannot open {self._place}: {error.strerror}") from None
        return f"/proc/self/fd/{self.directory}/{SOCKET}"

    def __exit__(self, *_: object) -> None:
        if self.directory is not None:
            os.close(self.directory)


def place_of_running(server_file: str) -> str | None:
    """Return the directory where the manager of the server that `server_file` runs has its socket.

    None where none runs.

    For a manager that was started before a rebuild moved the client home. It says on its command
    line where its socket is; only Linux lets us look.
    """
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    for process in processes:
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                words = os.fsdecode(file.read()).split("\0")
        except OSError:
            continue
        if KEEPER in words and server_file in words:
            return words[words.index(KEEPER) + 1]
    return None


def serves(pid: int, server_file: str) -> bool:
    """Whether the process `pid` is the server that `server_file` runs: pids are used again."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            # gunicorn writes a line of its own there, with setproctitle
            return server_file in os.fsdecode(file.read())
    except OSError:
        return False
