"""What a command gets: the instance and the command line."""

import os
import sys

from recipe.control.facts import Facts
from recipe.control.options import Options
from recipe.control.record import Record


class Context(Record):
    """The instance, and how the script was called."""

    options: Options
    facts: Facts
    #: the script's name, as in ``bin/instance``
    program: str

    @property
    def zope_conf(self) -> str:
        """The path of zope.conf."""
        return self.options.zope_conf

    @property
    def wsgi_ini(self) -> str:
        """The path of wsgi.ini: the one given, else the one beside zope.conf."""
        return self.options.wsgi_ini or os.path.join(os.path.dirname(self.options.zope_conf), "wsgi.ini")

    @property
    def server_file(self) -> str:
        """The file that the server is run by; its command line tells it."""
        return self.zope_conf if self.facts.zserver_python else self.wsgi_ini

    @property
    def umask(self) -> str:
        """The server's umask, octal; empty: the one we have."""
        return self.options.umask or self.facts.umask

    def python(self) -> list[str]:
        """Return the start of a command line that runs this Python with the packages we have.

        The interpreter script brings its path along; without one, or where it is ZServer's,
        $PYTHONPATH has to (`environment_for_python`).
        """
        command = [sys.executable, *self.facts.python_flags]
        return [*command, self.options.interpreter] if self._has_script else command

    @property
    def _has_script(self) -> bool:
        return bool(self.options.interpreter and not self.facts.zserver_python)

    def environment_for_python(self) -> dict[str, str]:
        """Return the environment for `python`."""
        environment = dict(os.environ)
        if not self._has_script:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        return environment
