"""What is wrong with a part: collected, so that all of it is told at once."""

from dataclasses import dataclass, field

SHOWN = 80  # characters of a value in a message


@dataclass
class Problems:
    """Errors and warnings about the options of the part `name`, one line each."""

    name: str
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(self, option: str, message: str) -> None:
        """Note what makes the part unusable."""
        self._note(self.errors, option, message)

    def warn(self, option: str, message: str) -> None:
        """Note what is probably not meant."""
        self._note(self.warnings, option, message)

    def _note(self, told: list[str], option: str, message: str) -> None:
        line = f"[{self.name}] {option}: {message}"
        # A part may be looked at twice: without its eggs, and with them
        if line not in told:
            told.append(line)


def shown(value: str) -> str:
    """A value as it stands in a message: one line, not too long."""
    line = " ".join(value.split())
    return repr(line if len(line) <= SHOWN else line[:SHOWN] + "…")
