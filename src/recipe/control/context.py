"""The first argument of each command: the instance and the command line."""

import os
import sys

from recipe.control.commandline import Options
from recipe.control.facts import Facts, read_environment
from recipe.control.record import Record


class Context(Record):
    """The instance, and the command line of the script."""

    options: Options
    facts: Facts
    #: the file name of the script: ``instance`` for ``bin/instance``
    program: str

    @property
    def zope_conf(self) -> str:
        """The path of zope.conf."""
        return self.options.zope_conf

    @property
    def wsgi_ini(self) -> str:
        """The path of wsgi.ini: the option's value, or the file beside zope.conf."""
        return self.options.wsgi_ini or os.path.join(os.path.dirname(self.options.zope_conf), "wsgi.ini")

    @property
    def server_file(self) -> str:
        """The configuration file on the command line of the server, which identifies the process."""
        return self.zope_conf if self.facts.zserver_python else self.wsgi_ini

    @property
    def umask(self) -> str:
        """The umask of the server, an octal number; empty: that of this process."""
        return self.options.umask or self.facts.umask

    def python(self) -> list[str]:
        """Return the first words of a command line that runs this Python with the packages of this process.

        The interpreter script sets sys.path. If there is none, or it belongs to ZServer's Python,
        $PYTHONPATH in `environment_for_python` does so.
        """
        command = [sys.executable, *self.facts.python_flags]
        return [*command, self.options.interpreter] if self._has_script else command

    @property
    def _has_script(self) -> bool:
        return bool(self.options.interpreter and not self.facts.zserver_python)

    def environment(self) -> dict[str, str]:
        """Return the environment for Zope, as 9.1.0 makes it: with the variables that Zope is going to set.

        Zope sets them when Python has started, the logs have been set up and many modules have been imported.
        """
        variables = {} if self.facts.zserver_python else read_environment(self.zope_conf)
        homes = {"INSTANCE_HOME": self.facts.instance_home, "CLIENT_HOME": self.facts.client_home}
        return {**os.environ, **variables, **homes}

    def environment_for_python(self) -> dict[str, str]:
        """Return the environment for a command line made with `python`."""
        environment = self.environment()
        if not self._has_script:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        return environment
