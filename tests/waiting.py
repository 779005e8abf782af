"""One way to wait for everything: what takes too long is an AssertionError that names it and shows the logs."""

from __future__ import annotations

import inspect
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

#: The processes that a test has started, with the files that they print to.
_watched: list[tuple[subprocess.Popen[str] | subprocess.Popen[bytes], Path]] = []

#: How much of a log is shown, in characters.
SHOWN = 4000


def watch(process: subprocess.Popen[str] | subprocess.Popen[bytes], log: Path) -> None:
    """Show what this process prints to `log` if a wait ends in vain while it runs, or it was the last to start."""
    _watched[:] = [(other, file) for other, file in _watched if other.poll() is None]
    _watched.append((process, log))


def wait_for(condition: Callable[[], object], timeout: float = 60, message: Callable[[], str] = str) -> None:
    """Wait until `condition` holds, for `timeout` seconds.

    Raises AssertionError with the text of the condition, the `message`, and what the processes have printed.
    """
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited {timeout} s for: {_text(condition)}\n{message()}\n{_logs()}"
        time.sleep(0.02)


def _text(condition: Callable[[], object]) -> str:
    """The source of a condition, in one line."""
    try:
        return re.sub(r"\s+", " ", inspect.getsource(condition)).strip()
    except (OSError, TypeError):
        return repr(condition)


def _logs() -> str:
    logs = []
    for process, log in _watched:
        if log.is_file():
            state = "runs" if process.poll() is None else f"ended with {process.returncode}"
            text = log.read_text(encoding="utf-8", errors="replace")[-SHOWN:]
            logs.append(f"--- process {process.pid} ({state}), {log}:\n{text}")
    return "\n".join(logs)
