"""The table of all commands; importing it imports none of them.

Adding one: a row here, its function in a module of this package, and its entry in ``docs/control.rst``.
"""

from recipe.control.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from recipe.control.context import Context


class Command(Record):
    """A command of ``bin/instance``."""

    #: ``module:function`` in recipe.control; called with the context and the arguments, returns
    #: the exit status (None: 0)
    target: str
    #: the arguments, as the help shows them
    arguments: str
    #: what it does: a sentence without its capital and its full stop
    text: str

    def load(self) -> "Callable[[Context, list[str]], int | None]":
        """Import the command's module; return its function."""
        module, _, name = self.target.partition(":")
        # As importlib.import_module does, without importing importlib
        imported = __import__(f"recipe.control.{module}", fromlist=[name])
        function: Callable[[Context, list[str]], int | None] = getattr(imported, name)
        return function


COMMANDS = {
    "start": Command("daemon:start", "", "start the server in the background, under a supervisor"),
    "stop": Command("daemon:stop", "", "stop the server after it has finished its requests"),
    "restart": Command("daemon:restart", "", "start the server with the new configuration"),
    "reload": Command("daemon:reload", "", "replace the server, without refusing a client"),
    "status": Command("daemon:status", "[--json]", "print whether the server runs"),
    "wait": Command("daemon:wait", "", "wait until the server has stopped"),
    "kill": Command("daemon:kill", "[SIGNAL]", "send a signal to the server (default: TERM)"),
    "fg": Command("serving:foreground", "", "run the server in this terminal, in debug mode"),
    "foreground": Command("serving:foreground", "", "same as `fg`"),
    "console": Command("serving:console", "", "run the server in the foreground, for supervisors"),
    "run": Command("scripts:run", "SCRIPT [ARGS]", "run a Python script with Zope's root as `app`"),
    "exec": Command("scripts:execute", "SCRIPT [ARGS]", "same as `run`, with the `sys.argv` of `python SCRIPT`"),
    "debug": Command("scripts:debug", "[-RL] [-O PATH]", "open a Python prompt with Zope's root as `app`"),
    "adduser": Command("scripts:adduser", "NAME [PASSWORD]", "add a user with the role Manager to Zope's root"),
    "check": Command("check:check", "", "check the configuration for errors"),
    "logtail": Command("about:logtail", "[FILE]", "print the end of the event log and each new line"),
    "logreopen": Command("daemon:logreopen", "", "reopen the log files (for logrotate)"),
    "reopen_transcript": Command("daemon:reopen_transcript", "", "do nothing (9.1.0 reopens a log file)"),
    "show": Command("about:show", "", "print the files, directories and addresses of the instance"),
    "help": Command("about:help_", "[COMMAND]", "list all commands, or describe one"),
}

#: The targets of the commands that run in ZServer's Python.
ZSERVER = {
    **dict.fromkeys(("fg", "foreground"), "zserver:foreground"),
    **{name: f"zserver:{name}" for name in ("console", "run", "debug", "adduser")},
    "exec": "zserver:execute",
}


def lookup(name: str, zserver: bool) -> Command:
    """Return the command `name`; if `zserver`, the one for an instance of ZServer. Raises KeyError."""
    command = COMMANDS[name]
    return command._replace(target=ZSERVER[name]) if zserver and name in ZSERVER else command
