"""What ends the server for a reason that is the user's."""


class StartError(SystemExit):
    """The server cannot start, and the text says why, in one line.

    A SystemExit, so that any program that loads us (Zope's ``runwsgi``, say) prints the line
    and exits with 1, without a traceback.
    """

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))


def describe(error: OSError) -> str:
    """Return the system's words for `error`, without number and file name."""
    return error.strerror or str(error)
