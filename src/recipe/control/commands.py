"""The commands there are, and where each is; importing this imports none of them."""

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
    usage: str
    text: str

    def load(self) -> "Callable[[Context, list[str]], int | None]":
        """Import the command."""
        module, _, name = self.target.partition(":")
        # What importlib.import_module does, without importlib.
        imported = __import__(f"recipe.control.{module}", fromlist=[name])
        function: Callable[[Context, list[str]], int | None] = getattr(imported, name)
        return function


COMMANDS = {
    "start": Command("daemon:start", "", "start the server in the background"),
    "stop": Command("daemon:stop", "", "stop it, after the requests under way"),
    "restart": Command("daemon:restart", "", "stop and start it, with the configuration of now"),
    "status": Command("daemon:status", "[--json]", "tell whether it runs (exit status 0 or 3)"),
    "wait": Command("daemon:wait", "", "wait until it has stopped"),
    "kill": Command("daemon:kill", "[SIGNAL]", "send it a signal, by number or name; TERM"),
    "fg": Command("serving:foreground", "", "run the server here, in debug mode"),
    "foreground": Command("serving:foreground", "", "the same as fg"),
    "console": Command("serving:console", "", "run the server here, for supervisors"),
    "run": Command("scripts:run", "SCRIPT [ARGS]", "run a Python script; `app` is Zope's root"),
    "exec": Command("scripts:execute", "SCRIPT [ARGS]", "the same, with the script's own argv"),
    "debug": Command("scripts:debug", "[-RL] [-O PATH]", "a Python prompt; `app` is Zope's root"),
    "adduser": Command("scripts:adduser", "NAME [PASSWORD]", "add a Manager to Zope's root"),
    "check": Command("check:check", "", "look for mistakes in the configuration"),
    "logtail": Command("about:logtail", "[FILE]", "follow the event log"),
    "logreopen": Command("daemon:logreopen", "", "reopen the log files (for logrotate)"),
    "reopen_transcript": Command("daemon:reopen_transcript", "", "reopen the daemon's own log"),
    "show": Command("about:show", "", "show what this script knows of its instance"),
    "help": Command("about:help_", "[COMMAND]", "tell the commands, or about one of them"),
}

#: The commands that ZServer's Python runs.
ZSERVER = {
    **dict.fromkeys(("fg", "foreground"), "zserver:foreground"),
    **{name: f"zserver:{name}" for name in ("console", "run", "debug", "adduser")},
    "exec": "zserver:execute",
}


def find(name: str, zserver: bool) -> Command:
    """Return the command of that name, the one for ZServer where that serves. Raises KeyError."""
    command = COMMANDS[name]
    return command._replace(target=ZSERVER[name]) if zserver and name in ZSERVER else command
