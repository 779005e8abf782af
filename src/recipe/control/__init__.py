"""The control script: ``bin/instance``.

`main` parses the command line, reads the facts about the instance, and calls one command. A
command's module is imported when the command is called, so that commands without Zope start fast.
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

    `args`: the command line (default: ``sys.argv[1:]``). The generated script passes ``-C ZOPE_CONF
    -p INTERPRETER -w WSGI_INI`` before the user's arguments.
    """
    program = os.path.basename(sys.argv[0]) or "instance"
    words = list(sys.argv[1:] if args is None else args)
    return guarded(program, lambda: _main(words, program))


def guarded(program: str, call: "Callable[[], int]") -> int:
    """Return the exit status that `call` returns; print a CommandError and return its exit status."""
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
        _drop_output()  # the reader (`head`, for example) has closed the pipe
        return 141
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename:
            raise
        _drop_output()
        print(f"{program}: cannot write the output: {error.strerror}", file=sys.stderr)
        return 1


def _drop_output() -> None:
    """Send the rest of stdout to the null device, so that Python's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _main(args: list[str], program: str) -> int:
    from recipe.common.names import FACTS, JOURNAL
    from recipe.control import commandline, environment, facts
    from recipe.control.context import Context

    options = commandline.parse(args)
    if not options.zope_conf:
        raise CommandError("the option -C ZOPE_CONF is missing; it selects the instance", 2)
    for directory in facts.directories(options.zope_conf, options.interpreter, options.wsgi_ini):
        _finish_update(os.path.join(directory, JOURNAL))
    try:
        instance_facts = facts.find(options.zope_conf, options.interpreter, options.wsgi_ini)
    except ValueError as error:
        raise CommandError(f"cannot read {FACTS}: {error}; run buildout again to write it") from None
    except OSError as error:
        raise CommandError(f"cannot read {error.filename}: {error.strerror}") from None
    environment.prepare(instance_facts.directory)
    context = Context(options, instance_facts, program)
    if options.help:
        return dispatch(context, ["help"])
    if options.interactive or not options.args:
        from recipe.control.prompt import interact

        return interact(context, options.args)
    return dispatch(context, list(options.args))


def _finish_update(log: str) -> None:
    """Finish an update that a killed buildout has begun; start again if this script was part of it."""
    from recipe.common import journal

    try:
        changed = journal.finish(log)
    except (OSError, ValueError) as error:
        raise CommandError(f"buildout was interrupted while it wrote files; run it again ({log}: {error})") from None
    if changed and os.path.abspath(sys.argv[0]) in changed:
        os.execv(sys.executable, [sys.executable, *sys.argv])


def dispatch(context: "Context", words: list[str]) -> int:
    """Run the command `words` (name and arguments), also one of an add-on; return its exit status.

    Raises CommandError if there is no such command (exit status 2), or if it fails.
    """
    from recipe.control.commands import COMMANDS, lookup

    name, *args = words
    is_zserver = bool(context.facts.zserver_python)
    if name in COMMANDS:
        return lookup(name, is_zserver).load()(context, args) or 0
    if is_zserver:
        from recipe.control.zserver import addon as run
    else:
        from recipe.control.addons import run

    return run(context, name, args)
