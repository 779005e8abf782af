"""The control script: ``bin/instance``.

`main` reads the command line and the facts about the instance, and calls one command. Commands
are imported when they are called, so that one that needs no Zope starts at once.
"""

import errno
import os
import sys

from recipe.control.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from recipe.control.context import Context

__all__ = ["main"]


def main(args: list[str] | None = None) -> int:
    """Run one command of an instance; return the exit status.

    `args`: the command line (default: ``sys.argv[1:]``), for a generated script ``-C ZOPE_CONF
    -p INTERPRETER -w WSGI_INI``, then what the user wrote.
    """
    program = os.path.basename(sys.argv[0]) or "instance"
    words = list(sys.argv[1:] if args is None else args)
    return guarded(program, lambda: _main(words, program))


def guarded(program: str, call: "Callable[[], int]") -> int:
    """Return what `call` returns; a CommandError is told, and its exit status returned."""
    try:
        status = call()
        sys.stdout.flush()
        return status
    except CommandError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _drop_output()  # who reads (head, say) has enough
        return 141
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename:
            raise
        _drop_output()
        print(f"{program}: cannot write the output: {error.strerror}", file=sys.stderr)
        return 1


def _drop_output() -> None:
    """Let Python not tell of it when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _main(args: list[str], program: str) -> int:
    from recipe.common.names import FACTS, JOURNAL
    from recipe.control import environment, facts, options
    from recipe.control.context import Context

    parsed = options.parse(args)
    if not parsed.zope_conf:
        raise CommandError("which instance? -C ZOPE_CONF is missing", 2)
    for place in facts.places(parsed.zope_conf, parsed.interpreter, parsed.wsgi_ini):
        _finish_update(os.path.join(place, JOURNAL))
    try:
        known = facts.find(parsed.zope_conf, parsed.interpreter, parsed.wsgi_ini)
    except ValueError as error:
        raise CommandError(f"cannot read {FACTS}: {error}") from None
    except OSError as error:
        raise CommandError(f"cannot read {error.filename}: {error.strerror}") from None
    environment.prepare(known.directory)
    context = Context(parsed, known, program)
    if parsed.help:
        return dispatch(context, ["help"])
    if parsed.interactive or not parsed.args:
        from recipe.control.shell import interact

        return interact(context, parsed.args)
    return dispatch(context, list(parsed.args))


def _finish_update(log: str) -> None:
    """Finish what a buildout that was killed has begun; start anew where this script is part of it."""
    from recipe.common import journal

    try:
        changed = journal.finish(log)
    except (OSError, ValueError) as error:
        raise CommandError(f"buildout was interrupted while it wrote; run it again ({log}: {error})") from None
    if changed and os.path.abspath(sys.argv[0]) in changed:
        os.execv(sys.executable, [sys.executable, *sys.argv])


def dispatch(context: "Context", words: list[str]) -> int:
    """Run the command that `words` are, an add-on's too; return its exit status.

    Raises CommandError where there is no such command (exit status 2), or where it fails.
    """
    from recipe.control.commands import COMMANDS, find

    name, *args = words
    is_zserver = bool(context.facts.zserver_python)
    if name in COMMANDS:
        return find(name, is_zserver).load()(context, args) or 0
    if is_zserver:
        from recipe.control.zserver import addon as run
    else:
        from recipe.control.addons import run

    return run(context, name, args)
