"""The daemon manager: zdaemon's ``zdrun``, which keeps one server running.

``python -m recipe.control.keeper PLACE SOCKET UMASK DIRECTORY COMMAND…``: PLACE is the directory
of the socket; SOCKET is a path of the socket that is short enough for the system.
"""

import sys

from recipe.control.errors import CommandError

#: Exit statuses after which zdaemon does not start the server again.
DONE = "0,2"


def main(args: list[str]) -> None:
    """Go into the background and start COMMAND; start it again whenever it fails.

    Raises CommandError if the socket cannot be created.
    """
    from zdaemon.zdrun import main as run

    _place, socket, umask, directory, *command = args
    options = ["-s", socket, "-d", "-x", DONE, "-m", umask, "-z", directory]
    try:
        run([*options, *command])
    except OSError as error:
        raise CommandError(f"cannot create the control socket: {error.strerror or error}") from None


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CommandError as error:
        sys.exit(str(error))
