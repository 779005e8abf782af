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
    _idle: dict[str, str] = field(default_factory=dict)
    #: The warnings as values; `warnings` has them as text.
    warned: list[Problem] = field(default_factory=list)

    def error(self, option: str, message: str) -> None:
        """Add an error: the part cannot be installed. If the option is idle, it has a warning instead, but only one."""
        if option not in self._idle:
            self._errors.append(Problem(option, message))
        elif all(warning.option != option for warning in self.warned):
            self.warned.append(Problem(option, f"{self._idle[option]}, and its value is wrong: {message}"))

    def warn(self, option: str, message: str) -> None:
        """Add a warning: the part probably does not do what its author wants. About an idle option, there is none."""
        if option not in self._idle:
            self.warned.append(Problem(option, message))

    def set_idle(self, option: str, reason: str, warn: bool = True) -> None:
        """Note that an option does nothing in this part: what is wrong with it must not stop the build.

        `reason` is the warning for it. If `warn` is False, the warning is only added if its value is wrong.
        """
        if option in self._idle:
            return
        if warn:
            self.warn(option, reason)
        self._idle[option] = reason
        errors, self._errors = self._errors, []
        for error in errors:
            self.error(*error)

    def is_idle(self, option: str) -> bool:
        """Whether the option does nothing in this part."""
        return option in self._idle

    def is_wrong(self, option: str) -> bool:
        """Whether there is an error about the option."""
        return any(error.option == option for error in self._errors)

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return bool(self._errors)

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
