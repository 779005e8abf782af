"""The error that ends a command."""


class CommandError(Exception):
    """A command has failed: a message of one line for the user, and an exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status
