"""The process that keeps one server running: a `recipe.control.supervisor`.

``python -m recipe.control.keeper PLACE SOCKET UMASK DIRECTORY COMMAND…``: in the background. PLACE is the directory
of the socket for commands; SOCKET is a path of the socket that is short enough for the system.

``python -m recipe.control.keeper foreground COMMAND…``: in the foreground, without commands.
"""

import os
import socket
import sys
from contextlib import suppress

from recipe.control.errors import CommandError
from recipe.control.manager import FOREGROUND
from recipe.control.supervisor import Supervisor


def main(args: list[str]) -> int:
    """Keep COMMAND running; return the exit status. Raises CommandError if the socket cannot be created."""
    if args[0] == FOREGROUND:
        return Supervisor(args[1:], None).run()
    return _in_background(args)


def _in_background(args: list[str]) -> int:
    _place, path, umask, directory, *command = args
    try:
        os.chdir(directory)
    except OSError as error:
        raise CommandError(f"cannot change to {directory}: {error.strerror}") from None
    commands = socket.socket(socket.AF_UNIX)
    os.umask(0o077)
    try:
        commands.bind(path)
        commands.listen()
    except OSError as error:
        raise CommandError(f"cannot create the control socket: {error.strerror or error}") from None
    _go_into_background()
    os.umask(int(umask, 8))
    try:
        return Supervisor(command, commands).run()
    finally:
        with suppress(OSError):
            os.unlink(path)


def _go_into_background() -> None:
    """Leave the session of the terminal, and its files."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CommandError as error:
        sys.exit(str(error))
