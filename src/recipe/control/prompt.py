"""The prompt for commands: ``bin/instance`` without a command."""

import os
import signal
import sys
from contextlib import suppress

from recipe.control.context import Context

LEAVE = ("exit", "quit", "EOF")


def interact(context: Context, first: tuple[str, ...] = ()) -> int:
    """Read commands, one in each line, until the end of the input; return the status of the last one.

    `first`: a command to run before the first line is read.
    """
    status = run(context, list(first)) if first else 0
    if sys.stdin.isatty():
        # The import turns on line editing, on systems that have it
        with suppress(ImportError):
            import readline  # noqa: F401
        print("Type `help` to see all commands, Ctrl-D to leave.")
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
    """Return the words of a line, quoted as in the shell; print an error and return None if a quote is not closed."""
    import shlex

    try:
        return shlex.split(line)
    except ValueError as error:
        print(f"{error}: {line}", file=sys.stderr)
        return None


def run(context: Context, words: list[str]) -> int:
    """Run a command in a child process, because some commands become a server or load Zope; return its status."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run_here(context, words)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        signal.signal(signal.SIGINT, handler)


def _run_here(context: Context, words: list[str]) -> None:
    """Run a command, and exit this process with its status."""
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
