"""Asks the Python of ZServer, and reads what it answers. Knows no buildout: `check` asks, too."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe.common.inspection import Finding

#: The program for the other interpreter. It is run by its path: nothing else here is Python 2.
PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "zserver", "py27.py")

SECONDS = 120
MARK = "\x1e"  # as in py27.py


@dataclass(frozen=True)
class Answer:
    """What the other Python says: its version, what is missing there, its distributions, and what is wrong."""

    version: tuple[int, ...]
    missing: tuple[str, ...] = ()
    projects: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()

    @property
    def wrong_version(self) -> str:
        """What is wrong with the version; empty where it is right."""
        return "" if self.version[:2] == (2, 7) else f"is Python {'.'.join(map(str, self.version))}; ZServer needs 2.7"


def ask(python: Sequence[str], question: Mapping[str, Any], environment: Mapping[str, str]) -> Answer:
    """Put a question to an interpreter; `python` is the start of its command line.

    Keys of a question: ``eggs``, requirements that must be met; ``paths``, put on its sys.path; ``zope.conf``, a text
    (None: that of the file) and a path; ``initialization``, lines of Python; ``packages``, files of ZCML with a
    package and its file that they include. Raises OSError or ValueError where there is no answer.
    """
    try:
        done = subprocess.run(
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
    _, mark, text = done.stdout.rpartition(MARK)
    if not mark:
        raise ValueError((done.stderr.strip().splitlines() or ["no answer"])[-1])
    found = json.loads(text)
    return Answer(
        tuple(found["version"]),
        tuple(" ".join(each.split()) for each in found["problems"]),
        frozenset(found["projects"]),
        tuple(Finding(*each) for each in found["findings"]),
    )


def without_python_3(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what leads a Python to packages of ours."""
    return {name: text for name, text in environment.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
