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
        self.errors.append(self._line(option, message))

    def warn(self, option: str, message: str) -> None:
        """Note what is probably not meant."""
        self.warnings.append(self._line(option, message))

    def _line(self, option: str, message: str) -> str:
        return f"[{self.name}] {option}: {message}"


def shown(value: str) -> str:
    """A value as it stands in a message: one line, not too long."""
    line = " ".join(value.split())
    return repr(line if len(line) <= SHOWN else line[:SHOWN] + "…")
