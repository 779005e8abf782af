"""The server process: ``python -m recipe.wsgi.serve WSGI_INI [options]``.

It does what Zope's ``runwsgi`` does. In addition it binds its sockets before it drops root privileges, stops
gracefully, reopens its logs, and reports a mistake in the configuration in one line.
"""

import argparse
import logging
import os
import signal
import stat
import sys
import traceback
import warnings
from contextlib import suppress
from glob import escape, glob
from typing import Any

from recipe.common import databases, privileges, zeo
from recipe.common.errors import StartError, log_end
from recipe.common.names import FINGERPRINT, GRACEFUL_TIMEOUT
from recipe.common.supervision import VARIABLE
from recipe.wsgi import collector, ending, pidfile, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from recipe.wsgi.supervised import Supervision

logger = logging.getLogger("Zope")

#: Seconds between two lines in the event log about a missing ZEO server; seconds after which the control script is
#: told not to wait for it any longer.
LOG_INTERVAL, PATIENCE = 60.0, 10.0


def main(args: list[str] | None = None) -> int:
    """Serve as the arguments (default: ``sys.argv[1:]``) say; return the exit status.

    The status is 0 after a signal to stop, and 1 if the server cannot start. Other exceptions are faults in the code,
    and are raised after they have been logged.
    """
    options = _options(args)
    signals.reopen_logs()  # before the supervisor gets to know of this process, and passes such signals on
    report = StartReport(options.report)
    status = 0
    try:
        signals.install(signals.raise_stopped)
        # The control script has blocked them until the handlers are installed
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*signals.STOP, *signals.REOPEN))
        _run(options, report)
    except KeyboardInterrupt:
        pass
    except StartError as error:
        log_end(str(error))
        report.failed(str(error))
        print(error, file=sys.stderr)
        status = 1
    except Exception:
        log_end("The server ended because of an error", exc_info=True)
        report.failed(traceback.format_exc())
        raise
    signals.ignore()
    ending.limit_threads(_patience(options), status)
    return status


def _options(args: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serve", description=__doc__.split("\n")[0])
    parser.add_argument("wsgi_ini", help="the PasteDeploy file")
    parser.add_argument("--debug", action="store_true", help="Zope's debug mode")
    parser.add_argument("--debug-exceptions", action="store_true", help="do not turn exceptions into error pages")
    parser.add_argument("--user", default="", help="become this user if started as root")
    parser.add_argument("--umask", type=lambda text: int(text, 8), help="octal")
    parser.add_argument(
        "--graceful-timeout", type=float, help="seconds that requests in progress get when the server stops"
    )
    parser.add_argument("--report", default="", help="a named pipe to which success or failure is written")
    return parser.parse_args(args)


def _run(options: argparse.Namespace, report: "StartReport") -> None:
    if options.debug:
        _print_warnings_in_one_line()
    # Imported late, so that the signal handlers are installed first; Zope is imported even later, with the application
    from recipe.common.pastefile import PasteFile
    from recipe.wsgi.base import Server, ServerWithWorkers

    if options.umask is not None:
        os.umask(options.umask)
    ini = PasteFile(options.wsgi_ini, _defaults(options))
    process = os.getpid()
    server = ini.server()
    try:
        if privileges.needed(options.user):
            _drop_privileges(options, server, report)
        # After privileges were dropped, so that the user owns the log files, and root follows no link of the user's
        ini.configure_logging()
        supervision = report.supervision
        if supervision:
            _introduce(server, supervision)
        _wait_for_databases(ini, report)
        signals.raise_if_stopped()
        if isinstance(server, ServerWithWorkers):
            _serve_by_workers(server, ini, report)
            return
        app = _load(ini, server, supervision)
        signals.raise_if_stopped()
        print(f"Starting server in PID {process}.", flush=True)
        instance = supervision.supervisor if supervision else process
        with pidfile.written(databases.configured("pid_filename") or "", instance):
            if isinstance(server, Server):
                server.on_ready = report.ready
                server(app)
            else:
                report.loaded()
                with signals.insisting(_patience(options)):
                    server(app)
    finally:
        signals.ignore()
        # A server that forks gets here in its children, too
        if os.getpid() == process:
            if isinstance(server, Server):
                server.close()
            databases.close_all()


def _patience(options: argparse.Namespace) -> float:
    """Return the seconds that threads of other packages get when the server stops."""
    return float(GRACEFUL_TIMEOUT if options.graceful_timeout is None else options.graceful_timeout)


def _print_warnings_in_one_line() -> None:
    """Let Python print each warning as one line, and once for each place unless a filter says ``always``.

    Python itself repeats a warning after any change of the filters, such as by `warnings.catch_warnings`.
    """
    printed: set[str] = set()

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        text = f"{filename}:{lineno}: {category.__name__}: {' '.join(str(message).split())}"
        if text not in printed or any(action == "always" for action, *_ in warnings.filters):
            printed.add(text)
            with suppress(OSError):
                print(text, file=file or sys.stderr)

    warnings.showwarning = show


def _serve_by_workers(server: Any, ini: Any, report: "StartReport") -> None:
    from recipe.wsgi.logs import reopen
    from recipe.wsgi.processes import channel

    reopen.leave_rotation_to_others()
    print(f"Starting server in PID {os.getpid()}.", flush=True)
    # Opened now: the pipe may have been removed when a worker is replaced
    report.open()
    supervision = report.supervision
    if supervision and supervision.preload and server.settings.preload and server.settings.workers > 1:
        server.app = _preload(server, ini, supervision)
        signals.raise_if_stopped()
    try:
        wanted = server.settings.workers if supervision and supervision.succeeds else 1
        readiness = channel.Readiness(report.ready, wanted, supervision.supervisor if supervision else 0)
        channel.run_workers(server, ini.path, ini.defaults, readiness)
    except channel.WorkerError as error:
        report.failed(str(error))
        # The worker has logged and printed the error
        sys.exit(1)


def _preload(server: Any, ini: Any, supervision: "Supervision") -> Any:
    """Load the application for all workers; if it would not survive a fork, execute this program anew without that."""
    from recipe.wsgi.processes import preload

    descriptors = [supervision.fileno(), *(listener.socket.fileno() for listener in server.listeners)]
    app, obstacles = preload.load(ini, server.settings.warm_up, descriptors)
    if obstacles:
        text = "Each worker loads the application itself, since this would not survive a fork: %s"
        logger.warning(text, "; ".join(obstacles))
        supervision.execute_again(server.listeners)
    return app


def _defaults(options: argparse.Namespace) -> dict[str, str]:
    """Return PasteDeploy's global configuration, with the names that Zope and `recipe.wsgi.settings` look up."""
    defaults = {}
    if options.debug:
        defaults["debug_mode"] = "true"
    if options.debug_exceptions:
        defaults["debug_exceptions"] = "true"
    if options.graceful_timeout is not None:
        defaults["graceful_timeout"] = f"{options.graceful_timeout:g}"
    return defaults


def _drop_privileges(options: argparse.Namespace, server: Any, report: "StartReport") -> None:
    entry = privileges.lookup(options.user)
    report.open()
    for listener in getattr(server, "listeners", ()):
        listener.give_to(entry.pw_uid, entry.pw_gid)
    # Zope reads the file with the first Manager, and its configuration; only the owner may read those with passwords
    home = os.path.dirname(os.path.dirname(os.path.abspath(options.wsgi_ini)))
    etc = os.path.join(home, "etc")
    for path in (os.path.join(home, "inituser"), *glob(f"{escape(etc)}/*"), *glob(f"{escape(etc)}/package-includes/*")):
        with suppress(FileNotFoundError):
            if not os.lstat(path).st_mode & 0o044 and os.path.basename(path) != FINGERPRINT:
                os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    privileges.become(entry)


def _wait_for_databases(ini: Any, report: "StartReport") -> None:
    """Wait, without a limit, for the ZEO servers that the application's Zope needs."""
    logged = -LOG_INTERVAL
    for missing in zeo.wait_for_servers(ini.zope_confs()):
        if missing.seconds - logged >= LOG_INTERVAL:
            logger.warning(missing.text)
            logged = missing.seconds
        if missing.seconds > PATIENCE:
            report.waiting(missing.text)


def _supervision() -> "Supervision | None":
    """Connect to the supervisor, if there is one."""
    if VARIABLE not in os.environ:
        return None
    from recipe.wsgi.supervised import Supervision

    return Supervision()


def _load(ini: Any, server: Any, supervision: "Supervision | None") -> Any:
    """Load the application; if another server of the instance serves, return when this one may."""
    if supervision and supervision.succeeds:
        from recipe.wsgi import succession

        return succession.load(ini, supervision, server.settings.warm_up, server.listen)
    with collector.deferred():
        return ini.load()


def _introduce(server: Any, supervision: "Supervision") -> None:
    """Lend the supervisor the sockets of a server. Raises StartError if the server cannot take another one's place."""
    from recipe.wsgi.base import ReplaceableServer, ServerWithWorkers
    from recipe.wsgi.sockets import close_adopted

    close_adopted()
    if isinstance(server, ReplaceableServer):
        supervision.on_retire, supervision.on_alone = server.retire, server.alone
        supervision.bound(server.listeners, server.settings.graceful_timeout)
        if isinstance(server, ServerWithWorkers):
            server.be_supervised(server.settings.warm_up if supervision.succeeds else ())
    elif supervision.succeeds:
        text = "the server of another package cannot take over the sockets of the one that runs"
        supervision.unable(text)
        raise StartError(text)


class StartReport:
    """The result of the start, for the process that started this one: one message, written to a named pipe.

    The supervisor gets it, too, if there is one.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self.supervision = _supervision()

    def open(self) -> None:
        """Open the pipe early, while this process may still do so."""
        if self._path and self._file is None:
            try:
                # Another user may have put something else in its place, if root starts the server
                self._file = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
                if not stat.S_ISFIFO(os.fstat(self._file).st_mode):
                    os.close(self._file)
                    self._file, self._path = None, ""
            except OSError:
                self._path = ""  # nobody reads it: the daemon has started the server again

    def ready(self) -> None:
        """Report that the server accepts requests."""
        self._send("ready")
        if self.supervision:
            self.supervision.ready()

    def loaded(self) -> None:
        """Report that a server of another package begins, which does not report when it accepts requests."""
        self._send("loaded")
        if self.supervision:
            self.supervision.ready()

    def waiting(self, text: str) -> None:
        """Report what the server waits for, and that this may take long."""
        self._send(f"waiting {text}")
        if self.supervision:
            self.supervision.waiting(text)

    def failed(self, text: str) -> None:
        """Report why the server cannot start."""
        self._send(f"failed {text}")
        if self.supervision:
            self.supervision.failed(text)

    def _send(self, text: str) -> None:
        self.open()
        if self._file is not None:
            # A pipe writes up to PIPE_BUF bytes at once
            with suppress(OSError):
                os.write(self._file, text.encode()[:4000])
            os.close(self._file)
            self._file, self._path = None, ""


if __name__ == "__main__":
    sys.exit(main())
