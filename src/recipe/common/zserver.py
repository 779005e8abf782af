"""Puts questions to ZServer's Python, for the recipe and for the command ``check``."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe.common.inspection import Finding

#: The program that runs in ZServer's Python. It is run by its path, because the package does not work in Python 2.
PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "zserver", "py27.py")

#: Seconds to wait for an answer.
SECONDS = 120
MARK = "\x1e"  # the same as in py27.py


@dataclass(frozen=True)
class Answer:
    """The answer of ZServer's Python: its version, missing distributions, installed projects, and errors."""

    version: tuple[int, ...]
    missing: tuple[str, ...] = ()
    projects: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()

    @property
    def wrong_version(self) -> str:
        """An error message if the version is not 2.7, else an empty text."""
        return "" if self.version[:2] == (2, 7) else f"is Python {'.'.join(map(str, self.version))}; ZServer needs 2.7"


def ask(python: Sequence[str], question: Mapping[str, Any], environment: Mapping[str, str]) -> Answer:
    """Put a question to an interpreter; `python` is the start of its command line.

    Keys of a question, all optional: ``eggs``, requirements to check; ``paths``, which precede its sys.path;
    ``zope.conf``, a pair of text (None: the content of the file) and path; ``initialization``, Python source;
    ``packages``, triples of a ZCML file, a package and the file of the package that it includes. Raises OSError if
    the interpreter cannot be run, ValueError if it gives no answer.
    """
    try:
        result = subprocess.run(
            [*python, PROGRAM, "answer"],
            input=json.dumps(question),
            env=without_python_3(environment),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"no answer in {SECONDS} seconds") from None
    _, mark, text = result.stdout.rpartition(MARK)
    if not mark:
        raise ValueError((result.stderr.strip().splitlines() or ["no answer"])[-1])
    reply = json.loads(text)
    return Answer(
        tuple(reply["version"]),
        tuple(" ".join(problem.split()) for problem in reply["problems"]),
        frozenset(reply["projects"]),
        tuple(Finding(*finding) for finding in reply["findings"]),
    )


def without_python_3(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that would lead Python 2.7 to packages of this Python."""
    return {name: text for name, text in environment.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
