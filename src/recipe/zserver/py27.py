# -*- coding: utf-8 -*-
"""The program that runs in ZServer's Python: ``python py27.py COMMAND …``.

This is the only module of this distribution that runs in Python 2.7. It is run by its path and imports no other
module of the distribution. Its syntax is also valid in Python 3.
"""

from __future__ import print_function

import argparse
import errno
import io
import json
import os
import signal
import sys
import traceback
from contextlib import contextmanager

MARK = "\x1e"  # precedes the answer on stdout, because imported modules may print, too

#: Errors of the system (permissions, full disk), for which no traceback is printed.
MACHINE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def main(args):
    """Run one command; return the exit status."""
    command, options = _options(args)
    try:
        return command(options) or 0
    except Failure as error:
        print("%s: %s" % (options.program, error), file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130


class Failure(Exception):
    """A command has failed: a message of one line for the user, and an exit status."""

    def __init__(self, text, status=1):
        Exception.__init__(self, " ".join(text.split()))
        self.status = status


def _options(args):
    parser = argparse.ArgumentParser(prog="py27.py")
    parser.add_argument("--program", default="instance", help="the name of the program in messages")
    parser.add_argument("--argv0", default="", help="the sys.argv[0] of scripts")
    parser.add_argument("--debug", action="store_true", help="serve in debug mode")
    parser.add_argument("--umask", help="the umask of the server, an octal number")
    parser.add_argument("--report", default="", help="a pipe to which success or failure is reported")
    parser.add_argument("--no-request", action="store_true")
    parser.add_argument("--no-login", action="store_true")
    parser.add_argument("--object-path", default="")
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("zope_conf", nargs="?")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    options = parser.parse_args(args)
    return COMMANDS[options.command], options


# --- the configuration -----------------------------------------------------------------------


def load(zope_conf, text=None, overrides=()):
    """Load a zope.conf with ZServer's schema; return the configuration and its handlers.

    If `text` is given, it replaces the content of the file. `overrides`: texts ``key=value``. Raises what
    ZConfig raises.
    """
    if text is None:
        # ZConfig would decode it to unicode, but paths and the environment are bytes in Python 2
        with open(zope_conf, "rb") as stream:
            text = stream.read()
    from ZConfig.cmdline import ExtendedConfigLoader
    from ZServer.Zope2.Startup.options import ZopeOptions

    options = ZopeOptions()
    options.load_schema()
    loader = ExtendedConfigLoader(options.schema)
    for override in overrides:
        loader.addOption(override)
    return loader.loadFile(io.BytesIO(text), zope_conf)


def configure(zope_conf, overrides=()):
    """Configure Zope with a zope.conf; return the object that starts ZServer."""
    import App.config
    from ZServer.Zope2.Startup import get_starter, handlers

    starter = get_starter()
    config, multihandler = load(zope_conf, overrides=overrides)
    handlers.handleConfig(config, multihandler)
    App.config.setConfiguration(config)
    starter.setConfiguration(config)
    return starter


def explain(error):
    """Return a message for the user about an error that Zope raised; None if it is not a mistake of the user."""
    if isinstance(error, _class("ZConfig", "ConfigurationError")):
        return "Zope refuses its configuration: " + place_of(error)
    if isinstance(error, _class("zc.lockfile", "LockError")):
        return "%s: another process has the database open" % error
    if isinstance(error, EnvironmentError) and error.errno in MACHINE and error.filename:
        return "cannot open %s: %s" % (error.filename, error.strerror)
    return None


def place_of(error):
    """Return the text of an error of ZConfig, with file and line if the error has them."""
    message, url = getattr(error, "message", ""), getattr(error, "url", "") or ""
    line = getattr(error, "lineno", None) or 0
    if not (message and url and line > 0):
        return str(error)
    path = url[len("file://") :] if url.startswith("file://") else url
    return "%s, line %d: %s" % (path, line, message)


def _class(module, name):
    return getattr(sys.modules.get(module), name, ())


# --- the server ------------------------------------------------------------------------------


def serve(options):
    """Run the server until a signal stops it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # until ZServer installs its handlers
    if options.umask:
        os.umask(int(options.umask, 8))
    report = Report(options.report)
    try:
        starter = _start(options)
    except Exception as error:
        explanation = explain(error)
        report.send("failed " + (" ".join(explanation.split()) if explanation else traceback.format_exc()))
        if explanation:
            raise Failure(explanation)
        raise
    report.send("ready")
    starter.run()  # raises SystemExit


def _leave(number, frame):
    sys.exit(0)


def _start(options):
    starter = configure(options.zope_conf, ["debug-mode=on"] if options.debug else [])
    print("Starting server in PID %d." % os.getpid())
    sys.stdout.flush()
    _give_away_inituser(starter.cfg)
    try:
        starter.prepare()
    except BaseException as error:
        if isinstance(error, Exception):
            _log_failure(starter, explain(error))
        # Without a lock file, the pid file may be that of another server, which uses the same port
        if hasattr(starter, "lockfile"):
            starter.shutdown()
        raise
    return starter


def _log_failure(starter, explanation):
    """Write the current exception to the event log (not to stderr, to which it is printed later).

    `explanation`: is written instead of the traceback, unless it is None.
    """
    import logging

    if starter.debug_handler:
        starter.event_logger.removeHandler(starter.debug_handler)
    logging.getLogger("Zope").critical(explanation or "The server failed to start", exc_info=not explanation)


def _give_away_inituser(config):
    """Make the user that this process becomes the owner of inituser (the first Manager), so that it can read it."""
    path = os.path.join(config.instancehome, "inituser")
    if config.effective_user and os.getuid() == 0 and os.path.isfile(path):
        import pwd

        user = config.effective_user
        try:
            entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        except KeyError:
            return  # ZServer reports that the user does not exist
        os.lchown(path, entry.pw_uid, entry.pw_gid)


class Report(object):
    """The pipe to the process that started this one and waits for a message; only the first message is sent."""

    def __init__(self, path):
        self._path = path

    def send(self, text):
        """Send a message, if a process waits for it and none has been sent yet."""
        path, self._path = self._path, ""
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK) if path else None
        except OSError:
            return  # no process waits: zdaemon has started the server again
        if pipe is not None:
            os.write(pipe, text[:4000])  # less than PIPE_BUF, so that it is written at once
            os.close(pipe)


# --- scripts ---------------------------------------------------------------------------------


@contextmanager
def opened(options):
    """Configure Zope, open its database and yield the root; at the end, abort the transaction and close it."""
    try:
        starter = configure(options.zope_conf)
        starter.setupSecurityOptions()
        import Zope2

        root = Zope2.app()
    except Exception as error:
        explanation = explain(error)
        if explanation:
            raise Failure(explanation)
        raise
    try:
        yield root
    finally:
        import transaction

        transaction.abort()
        for database in starter.cfg.dbtab.databases.values():
            database.close()


def with_request(app):
    """Return the root with a request, which is also set in `zope.globalrequest`."""
    from Testing.makerequest import makerequest
    from zope.globalrequest import setRequest

    app = makerequest(app)
    app.REQUEST["PARENTS"] = [app]
    setRequest(app.REQUEST)
    return app


def log_in():
    """Log in Zope's system user, who has all permissions."""
    from AccessControl.SecurityManagement import newSecurityManager
    from AccessControl.users import system

    newSecurityManager(None, system)


def script_globals(options, app):
    """Return the globals of a script: `app`, `sys`, `Zope2`, and `obj` if there is an object path."""
    from zExceptions import NotFound, Unauthorized

    if not options.no_request:
        app = with_request(app)
        if options.object_path:
            # As a browser's request does: a site on the path becomes the current site
            try:  # noqa: SIM105
                app.REQUEST.traverse(options.object_path)
            except (KeyError, AttributeError, NotFound, Unauthorized):
                pass  # reported below, if the system user cannot traverse it either
    if not options.no_login:
        log_in()
    import Zope2

    names = {"app": app, "sys": sys, "Zope2": Zope2}
    if options.object_path:
        try:
            names["obj"] = app.restrictedTraverse(options.object_path)
        except (KeyError, AttributeError, NotFound, Unauthorized) as error:
            raise Failure("there is no object at %s: %r" % (options.object_path, error))
    return names


def _main_module(path, values):
    import types

    module = types.ModuleType("__main__")
    module.__file__ = path
    vars(module).update(values)
    sys.modules["__main__"] = module
    return vars(module)


def run(options):
    """Run a script as 9.1.0 does: `sys.argv[0]` and `__file__` are the interpreter script."""
    script = options.args[0]
    sys.argv = [options.argv0, "-c"] + options.args
    return _run(options, script, options.argv0)


def execute(options):
    """Run a script as Python does: `sys.argv`, `__file__` and `sys.path[0]` are those of the script."""
    script = options.args[0]
    sys.argv = options.args
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    return _run(options, script, script)


def _run(options, script, path):
    try:
        with open(script, "rb") as stream:
            source = stream.read()
    except IOError as error:
        raise Failure("cannot read %s: %s" % (script, error.strerror))
    with opened(options) as app:
        module = _main_module(path, script_globals(options, app))
        try:
            # dont_inherit: without the `from __future__` of this module
            exec(compile(source, script, "exec", 0, True), module)
        except Exception:
            kind, error, where = sys.exc_info()
            traceback.print_exception(kind, error, where.tb_next)
            return 1
    return 0


def debug(options):
    """Read and run Python statements from stdin."""
    import code

    sys.argv = [options.argv0]
    with opened(options) as app:
        module = _main_module(options.argv0, script_globals(options, app))
        if sys.stdin.isatty():
            _edit_lines(module)
        objects = "app" + (" and obj" if "obj" in module else "")
        code.interact("Python %s, with %s" % (sys.version.split()[0], objects), None, module)
    return 0


def _edit_lines(module):
    try:
        import readline
        import rlcompleter
    except ImportError:
        return
    readline.set_completer(rlcompleter.Completer(module).complete)
    readline.parse_and_bind("tab: complete")


def adduser(options):
    """Add a user with the role Manager to the user folder of Zope's root; raises Failure if the name exists."""
    name, password = options.args[0], sys.stdin.readline().rstrip("\n")
    with opened(options) as app:
        log_in()
        folder = with_request(app).acl_users
        if folder.getUser(name) is not None:
            raise Failure("the user '%s' exists already; choose another name" % name)
        folder._doAddUser(name, password, ["Manager"], [])
        if folder.getUser(name) is None:
            raise Failure("the user folder did not add the user '%s'; add the user in a browser" % name)
        import transaction

        transaction.commit()
    print("user '%s' added" % name)
    return 0


def addon(options):
    """Run a command of another package: an entry point of the group ``zopectl.command``."""
    import pkg_resources

    name = options.args[0]
    for entry_point in pkg_resources.iter_entry_points("zopectl.command", name):
        sys.argv = [options.argv0, "-c"] + options.args
        with opened(options) as app:
            _main_module(options.argv0, {"app": app})
            if not options.no_request:
                with_request(app)
            if not options.no_login:
                log_in()
            result = entry_point.load()(app, sys.argv[1:])
        return result if isinstance(result, int) else 0
    raise Failure("unknown command '%s'; run `help` to see all commands" % name, 2)


# --- questions of the recipe and of `check` --------------------------------------------------


def answer(options):
    """Read a question from stdin and print the answer, both as JSON; see `recipe.common.zserver.ask`."""
    question = json.load(sys.stdin)
    sys.path[0:0] = [_native(path) for path in question.get("paths", ())]
    reply = {"version": list(sys.version_info[:3]), "problems": [], "projects": [], "findings": []}
    if sys.version_info[:2] == (2, 7):
        reply["problems"] = list(missing(question.get("eggs", ())))
        if not reply["problems"]:
            reply["projects"] = _projects()
            reply["findings"] = list(_findings(question))
    print(MARK + json.dumps(reply))


def missing(eggs):
    """Yield an error for ZServer, Zope and each of these distributions that is not installed."""
    try:
        import pkg_resources
    except ImportError:
        yield "setuptools is not installed"
        return
    for egg in ["ZServer", "Zope"] + [_native(egg) for egg in eggs]:
        try:
            pkg_resources.require(egg)
        except (pkg_resources.ResolutionError, ValueError) as error:
            yield "%s: %s" % (egg, error)
    try:
        import ZServer.Zope2.Startup.options  # noqa: F401
    except ImportError as error:
        yield "ZServer cannot be imported: %s" % error


def _projects():
    import pkg_resources

    return [distribution.project_name for distribution in pkg_resources.working_set]


def _findings(question):
    """Yield file, line and message of each error."""
    if question.get("zope.conf"):
        text, path = question["zope.conf"]
        for line, message in _zope_conf(text and text.encode("utf-8"), _native(path)):
            yield path, line, message
    if question.get("initialization"):
        try:
            compile(question["initialization"].encode("utf-8"), "initialization", "exec", 0, True)
        except (SyntaxError, TypeError) as error:
            yield "initialization", getattr(error, "lineno", 1), "is not Python 2.7: %s" % error
    for path, package, name in question.get("packages", ()):
        message = _package(_native(package), name)
        if message:
            yield path, 0, message


def _zope_conf(text, path):
    """Yield line and message of the error that ZServer's schema finds, if there is one."""
    import ZConfig

    try:
        load(path, text)
    except ZConfig.SubstitutionReplacementError as error:
        # An environment variable may be set when the server starts
        if text is None or "$(%s" % error.name not in (error.source or ""):
            yield error.lineno or 0, str(error.message)
    except ZConfig.ConfigurationError as error:
        yield getattr(error, "lineno", 0) or 0, str(error.message or error)
    except ImportError as error:
        yield 0, str(error)


def _package(name, file):
    """Return an error message if `file` of the package `name` cannot be included by ZCML, else None."""
    import pkgutil

    try:
        loader = pkgutil.find_loader(name)
    except Exception as error:  # find_loader imports the parent package, which may raise anything
        return "the package %s cannot be imported: %r" % (name, error)
    if loader is None:
        return "the package %s is not installed" % name
    path = loader.get_filename(name)
    if loader.is_package(name) and not os.path.isfile(os.path.join(os.path.dirname(path), file)):
        return "the package %s does not contain %s" % (name, file)
    return None


def _native(text):
    """Return a text from JSON as `str`: in Python 2 as UTF-8 bytes."""
    return text if isinstance(text, str) else text.encode("utf-8")


COMMANDS = {
    "addon": addon,
    "adduser": adduser,
    "answer": answer,
    "debug": debug,
    "exec": execute,
    "run": run,
    "serve": serve,
}

if __name__ == "__main__":
    # Modules in the directory of this file are not for Python 2
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _here]
    sys.exit(main(sys.argv[1:]))
