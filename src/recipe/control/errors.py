"""How a command fails."""


class CommandError(Exception):
    """The command cannot do its work: one line for the user, and an exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status
