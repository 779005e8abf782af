"""The client of the daemon manager (`recipe.control.supervisor`): sends it commands over its socket.

A client sends one line and receives some lines. The protocol is that of zdaemon's ``zdrun``, with more commands: a
manager that was started by a former release, or by 9.1.0, is a zdaemon.
"""

import os
import sys
from _socket import AF_UNIX, socket  # importing `socket`, which wraps it, takes ten times as long

from recipe.common.names import SOCKET
from recipe.control.errors import CommandError
from recipe.control.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: The module that runs the manager; its name on a command line identifies the process.
KEEPER = "recipe.control.keeper"

#: The first argument of `KEEPER` for a server in the foreground.
FOREGROUND = "foreground"

#: The longest path of a unix socket, in bytes: sun_path has 108 on Linux and 104 on BSD and macOS. zdaemon first bound
#: a temporary path, longer by a dot and a process id; by the same limit, the socket of such a release is found.
MAX_PATH_BYTES = 90

#: A zdaemon serves one client at a time. It sends this to a client that has not sent its command yet when
#: the next client connects; the client tries again.
SUPERSEDED = "Command superseded"

#: How often a client tries.
TRIES = 1000


class State(Record):
    """The state of the manager and of its server."""

    #: the process id of the instance, which stays the same when a supervisor replaces the server; 0: it does not run
    pid: int
    #: the process id of the server; 0: it does not run
    server: int
    #: the process id of the manager
    manager: int
    #: when the server was started, in seconds since the epoch
    since: float
    #: how many times in a row the server ended soon after its start
    failures: int
    #: whether the manager is a supervisor, which can replace the server; zdaemon of former releases cannot
    reloads: bool = False


def state(directory: str) -> State | None:
    """Return the state of the manager whose socket is in `directory`; None if no manager runs.

    Raises CommandError as `ask` does.
    """
    response = ask(directory, "status")
    if response is None:
        return None
    values = dict(line.split("=", 1) for line in response.splitlines() if "=" in line)
    server, manager = int(values.get("application", 0)), int(values.get("manager", 0))
    return State(
        pid=manager if server and "connected" in values else server,
        server=server,
        manager=manager,
        since=float(values.get("lasttime", 0)),
        failures=int(values.get("backoff", 0)),
        reloads="supervisor" in values,
    )


def follow(directory: str, command: str) -> "Iterator[str]":
    """Send a command to the supervisor whose socket is in `directory`; yield each line of its answer when it comes.

    Raises CommandError as `ask` does, or if there is no supervisor.
    """
    with SocketPath(directory) as path:
        sock = socket(AF_UNIX)
        try:
            sock.connect(path)
            sock.sendall(f"{command}\n".encode())
            rest = b""
            while data := sock.recv(8192):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield line.decode("utf-8", "replace")
        except OSError as error:
            raise CommandError(f"cannot reach the supervisor: {error.strerror}") from None
        finally:
            sock.close()


def ask(directory: str, command: str) -> str | None:
    """Send a command to the manager whose socket is in `directory`; return its response, None if no manager runs.

    Raises CommandError if this user is not permitted to do so, or the manager does not respond.
    """
    for _ in range(TRIES):
        response = _ask_once(directory, command)
        if response is None or not response.startswith(SUPERSEDED):
            return response
    raise CommandError("the daemon manager does not respond; try again")


def _ask_once(directory: str, command: str) -> str | None:
    with SocketPath(directory) as path:
        sock = socket(AF_UNIX)
        try:
            sock.connect(path)
        except PermissionError:
            sock.close()
            raise CommandError(f"not permitted to connect to {os.path.join(directory, SOCKET)}") from None
        except OSError:
            sock.close()
            return None  # there is no socket, or no process listens on it
        response = b""
        try:
            sock.sendall(f"{command}\n".encode())
            while data := sock.recv(8192):
                response += data
        except OSError:
            return SUPERSEDED  # the manager has closed the connection, for that reason or because it ends
        finally:
            sock.close()
    return response.decode("utf-8", "replace")


class SocketPath:
    """A context manager: the path of the manager's socket in a directory, short enough for the system.

    If the path is too long, it is one through the descriptor of the open directory, which a child may
    inherit. Raises CommandError if the system does not have such paths (Linux has them).
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        #: the descriptor of the open directory; None if the path is short
        self.descriptor: int | None = None

    def __enter__(self) -> str:
        path = os.path.join(self._directory, SOCKET)
        if len(os.fsencode(path)) <= MAX_PATH_BYTES:
            return path
        if not os.path.isdir("/proc/self/fd"):
            message = f"the path of the control socket has more than {MAX_PATH_BYTES} bytes: {path}"
            raise CommandError(f"{message}; move the buildout to a shorter path")
        try:
            self.descriptor = os.open(self._directory, os.O_RDONLY)
        except OSError as error:
            raise CommandError(f"cannot open {self._directory}: {error.strerror}") from None
        return f"/proc/self/fd/{self.descriptor}/{SOCKET}"

    def __exit__(self, *_: object) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


def directory_of_running(server_file: str) -> str | None:
    """Return the directory of the socket of the manager that runs the server of `server_file`; None if none runs.

    It may differ from the client home if a rebuild moved that after the manager was started. The
    manager has the directory on its command line, which is read from Linux's /proc.
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
            directory = words[words.index(KEEPER) + 1]
            if directory != FOREGROUND:
                return directory
    return None


def runs(pid: int, command: list[str]) -> bool:
    """Whether the process `pid` is a Python whose command line has the words of `command`.

    Another program may have them, too: a shell, or ``strace``, on whose command line the server stands.
    """
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = os.fsdecode(file.read()).rstrip("\0").split("\0")
    except OSError:
        return False
    program = os.path.basename(words[0])
    is_python = program == os.path.basename(sys.executable) or program.startswith(("python", "pypy"))
    starts = range(len(words) - len(command) + 1)
    return is_python and any(words[i : i + len(command)] == command for i in starts)
