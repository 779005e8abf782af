"""The prompt for commands: ``bin/instance`` without one."""

import os
import signal
import sys
from contextlib import suppress

from recipe.control.context import Context

LEAVE = ("exit", "quit", "EOF")


def interact(context: Context, first: tuple[str, ...] = ()) -> int:
    """Read commands, a line each, until the end of the input; return the last one's status.

    `first`: a command to begin with.
    """
    status = run(context, list(first)) if first else 0
    if sys.stdin.isatty():
        # Line editing comes with the import, where there is one.
        with suppress(ImportError):
            import readline  # noqa: F401
        print(f"{context.program}: help tells the commands, Ctrl-D leaves")
    while (line := _read(f"{context.program}> ")) is not None:
        words = _split(line)
        if words is None:
            status = 2
        elif words and words[0] in LEAVE:
            break
        elif words:
            status = run(context, words)
    return status


def _read(prompt: str) -> str | None:
    try:
        return input(prompt)
    except EOFError:
        print()
        return None
    except KeyboardInterrupt:
        print()
        return ""


def _split(line: str) -> list[str] | None:
    """Return the words of a line as the shell has them; None where a quote is not closed."""
    import shlex

    try:
        return shlex.split(line)
    except ValueError as error:
        print(f"{error}: {line}", file=sys.stderr)
        return None


def run(context: Context, words: list[str]) -> int:
    """Run a command in a process of its own, since some become a server, or a Zope."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run_here(context, words)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        signal.signal(signal.SIGINT, before)


def _run_here(context: Context, words: list[str]) -> None:
    """Run a command, and end this process with its status."""
    from recipe.control import dispatch, guarded

    context = context._replace(options=context.options._replace(args=tuple(words)))
    status: object = 1
    try:
        status = guarded(context.program, lambda: dispatch(context, words))
    except SystemExit as error:
        status = error.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0 if status is None else 1)
