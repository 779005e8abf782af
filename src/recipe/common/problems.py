"""What is wrong with a part: collected, so that all of it is reported at once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

SHOWN = 80  # characters of a value in a message


class Problem(NamedTuple):
    """A message about an option, or about a file that is generated."""

    option: str
    message: str


def _nowhere(option: str) -> str:
    return ""


@dataclass
class Problems:
    """Errors and warnings about the options of the part `name`.

    `place_of` returns where the text of an option stands, such as ``buildout.cfg, line 14``; empty if that is unknown.
    """

    name: str
    place_of: Callable[[str], str] = _nowhere
    _errors: list[Problem] = field(default_factory=list)
    #: The warnings as values; `warnings` has them as text.
    warned: list[Problem] = field(default_factory=list)

    def error(self, option: str, message: str) -> None:
        """Add an error: the part cannot be installed."""
        self._errors.append(Problem(option, message))

    def warn(self, option: str, message: str) -> None:
        """Add a warning: the part probably does not do what its author wants."""
        self.warned.append(Problem(option, message))

    @property
    def errors(self) -> list[str]:
        """The errors, one line each."""
        return [self._line(problem) for problem in self._errors]

    @property
    def warnings(self) -> list[str]:
        """The warnings, one line each."""
        return [self._line(problem) for problem in self.warned]

    def _line(self, problem: Problem) -> str:
        place = self.place_of(problem.option)
        return f"[{self.name}] {problem.option}: {problem.message}" + (f" ({place})" if place else "")


def shown(value: str) -> str:
    """A value as it stands in a message: one line, not too long."""
    line = " ".join(value.split())
    return repr(line if len(line) <= SHOWN else line[:SHOWN] + "…")
