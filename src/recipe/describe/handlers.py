"""The handlers of the two logs, as the logging package names them."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from recipe.common.problems import Problems
from recipe.options import kinds
from recipe.options.logs import AccessLog, EventLog


@dataclass(frozen=True)
class Handler:
    """A handler of the logging package as wsgi.ini describes it; `file` is empty if it does not write to one."""

    file: str
    class_: str
    args: str
    kwargs: str
    level: str

    @property
    def disabled(self) -> bool:
        """Whether the log goes nowhere."""
        return self.class_ == "NullHandler"

    @property
    def is_console(self) -> bool:
        """Whether the log goes to the console."""
        return self.class_ == "StreamHandler" and not self.file

    @property
    def has_credentials(self) -> bool:
        """Whether the arguments hold a user and a password: the fifth of an SMTPHandler or an HTTPHandler."""
        arguments = ast.parse(self.args, mode="eval").body
        return (
            self.class_.endswith(("SMTPHandler", "HTTPHandler"))
            and isinstance(arguments, ast.Tuple | ast.List)
            and len(arguments.elts) >= 5
        )


def handler(name: str, log: EventLog | AccessLog, part: Mapping[str, str], problems: Problems) -> Handler:
    """The handler of the log whose options begin with `name`."""
    if not log.file or log.file in kinds.STREAMS:
        for option in (f"{name}-{key}" for key in ("handler", "args", "kwargs", "max-size")):
            if part.get(option, "").strip():
                problems.set_idle(option, f"does nothing with {name} = {log.file or 'disable'}")
    if not log.file and name == "access-log":  # the level of the event log is that of the console, too
        problems.set_idle(f"{name}-level", f"does nothing with {name} = disable", warn=False)
    if not log.max_size and not problems.is_wrong(f"{name}-max-size"):
        problems.set_idle(f"{name}-old-files", f"does nothing without {name}-max-size", warn=False)
    if not log.file:
        return Handler("", "NullHandler", "()", "{}", log.level)
    if log.file in kinds.STREAMS:
        return Handler("", "StreamHandler", f"(sys.{log.file},)", "{}", log.level)
    args = kinds.with_file(log.args, log.file) if log.args else f"({log.file!r}, 'a')"
    if not log.max_size:
        return Handler(log.file, log.handler or "FileHandler", args, log.kwargs, log.level)
    if log.handler:
        problems.warn(f"{name}-max-size", f"does nothing with {name}-handler; set the size in {name}-kwargs instead")
        return Handler(log.file, log.handler, args, log.kwargs, log.level)
    rotation = f"'maxBytes': {log.max_size}, 'backupCount': {log.old_files}"
    kwargs = f"{{{rotation}}}" if log.kwargs == "{}" else f"{{{rotation}, {log.kwargs[1:]}"
    return Handler(log.file, "handlers.RotatingFileHandler", args, kwargs, log.level)
