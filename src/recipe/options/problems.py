"""The errors and warnings about a part, collected so that all of them are reported at once."""

from dataclasses import dataclass, field

SHOWN = 80  # characters of a value in a message


@dataclass
class Problems:
    """Errors and warnings about the options of the part `name`, one line each."""

    name: str
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(self, option: str, message: str) -> None:
        """Add an error: the part cannot be installed."""
        self._note(self.errors, option, message)

    def warn(self, option: str, message: str) -> None:
        """Add a warning: the part probably does not do what its author wants."""
        self._note(self.warnings, option, message)

    def _note(self, lines: list[str], option: str, message: str) -> None:
        line = f"[{self.name}] {option}: {message}"
        # A part may be checked twice: without its eggs, and with them
        if line not in lines:
            lines.append(line)


def shown(value: str) -> str:
    """Return a value as messages show it: quoted, on one line, cut off after SHOWN characters."""
    line = " ".join(value.split())
    return repr(line if len(line) <= SHOWN else line[:SHOWN] + "…")
