# -*- coding: utf-8 -*-
"""What runs in the Python of ZServer: ``python py27.py COMMAND …``.

The only module of this distribution that Python 2.7 reads. It is run by its path, knows nothing of the others, and
is written so that Python 3 can read it, too.
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

MARK = "\x1e"  # before an answer: what is imported may print, too

#: Errors of the machine, not of the code: one line says it all.
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
    """A command cannot do its work: one line for the user, and an exit status."""

    def __init__(self, text, status=1):
        Exception.__init__(self, " ".join(text.split()))
        self.status = status


def _options(args):
    parser = argparse.ArgumentParser(prog="py27.py")
    parser.add_argument("--program", default="instance", help="its name in messages")
    parser.add_argument("--argv0", default="", help="what scripts find as sys.argv[0]")
    parser.add_argument("--debug", action="store_true", help="debug mode")
    parser.add_argument("--umask", help="octal")
    parser.add_argument("--report", default="", help="a pipe for word of success or failure")
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
    """Read a zope.conf by ZServer's schema; return the configuration and its handlers.

    `text` stands for what is in the file; `overrides` are ``key=value``. Raises what ZConfig raises.
    """
    if text is None:
        # Not by ZConfig, which would make unicode of it: paths and the environment are bytes
        with open(zope_conf, "rb") as stream:
            text = stream.read()
    from ZConfig.cmdline import ExtendedConfigLoader
    from ZServer.Zope2.Startup.options import ZopeOptions

    options = ZopeOptions()
    options.load_schema()
    loader = ExtendedConfigLoader(options.schema)
    for each in overrides:
        loader.addOption(each)
    return loader.loadFile(io.BytesIO(text), zope_conf)


def configure(zope_conf, overrides=()):
    """Configure Zope by a zope.conf; return the object that starts ZServer."""
    import App.config
    from ZServer.Zope2.Startup import get_starter, handlers

    starter = get_starter()
    config, multihandler = load(zope_conf, overrides=overrides)
    handlers.handleConfig(config, multihandler)
    App.config.setConfiguration(config)
    starter.setConfiguration(config)
    return starter


def explain(error):
    """Return what to tell the user about an error that Zope raised; None where it is no mistake of theirs."""
    if isinstance(error, _class("ZConfig", "ConfigurationError")):
        return "Zope refuses its configuration: " + place_of(error)
    if isinstance(error, _class("zc.lockfile", "LockError")):
        return "%s: another process has the database open" % error
    if isinstance(error, EnvironmentError) and error.errno in MACHINE and error.filename:
        return "cannot open %s: %s" % (error.filename, error.strerror)
    return None


def place_of(error):
    """Return the text of an error of ZConfig's, with the file and the line, where it has them."""
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
    """Serve, until a signal to stop."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # until ZServer has handlers of its own
    if options.umask:
        os.umask(int(options.umask, 8))
    report = Report(options.report)
    try:
        starter = _start(options)
    except Exception as error:
        why = explain(error)
        report.send("failed " + (" ".join(why.split()) if why else traceback.format_exc()))
        if why:
            raise Failure(why)
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
        # Before that, the pid file is not ours: maybe of a server that has our port
        if hasattr(starter, "lockfile"):
            starter.shutdown()
        raise
    return starter


def _log_failure(starter, why):
    """Write to the event log, if it is open, what stderr gets anyway."""
    import logging

    if starter.debug_handler:
        starter.event_logger.removeHandler(starter.debug_handler)
    logging.getLogger("Zope").critical(why or "The server ended by an error", exc_info=not why)


def _give_away_inituser(config):
    """Let the user that this process becomes read the first Manager: only its owner may."""
    path = os.path.join(config.instancehome, "inituser")
    if config.effective_user and os.getuid() == 0 and os.path.isfile(path):
        import pwd

        user = config.effective_user
        try:
            entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        except KeyError:
            return  # ZServer tells that there is none
        os.lchown(path, entry.pw_uid, entry.pw_gid)


class Report(object):
    """Word to the one that started this process and waits; it gets one, the first."""

    def __init__(self, path):
        self._path = path

    def send(self, text):
        """Say it, if somebody waits."""
        path, self._path = self._path, ""
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK) if path else None
        except OSError:
            return  # nobody does: the daemon has started us again
        if pipe is not None:
            os.write(pipe, text[:4000])  # at most what a pipe takes as a whole (PIPE_BUF)
            os.close(pipe)


# --- scripts ---------------------------------------------------------------------------------


@contextmanager
def opened(options):
    """Configure Zope, open its database and yield the root; close the databases in the end."""
    try:
        starter = configure(options.zope_conf)
        starter.setupSecurityOptions()
        import Zope2

        root = Zope2.app()
    except Exception as error:
        why = explain(error)
        if why:
            raise Failure(why)
        raise
    try:
        yield root
    finally:
        import transaction

        transaction.abort()
        for database in starter.cfg.dbtab.databases.values():
            database.close()


def with_request(app):
    """Return the root with a request, which `zope.globalrequest` knows too."""
    from Testing.makerequest import makerequest
    from zope.globalrequest import setRequest

    app = makerequest(app)
    app.REQUEST["PARENTS"] = [app]
    setRequest(app.REQUEST)
    return app


def log_in():
    """Let the code that follows do all that Zope's own system user may."""
    from AccessControl.SecurityManagement import newSecurityManager
    from AccessControl.users import system

    newSecurityManager(None, system)


def names(options, app):
    """Return what scripts find: `app`, and `obj` where an object path is given."""
    from zExceptions import NotFound, Unauthorized

    if not options.no_request:
        app = with_request(app)
        if options.object_path:
            # As a browser's request: a site on the way becomes the current one
            try:  # noqa: SIM105
                app.REQUEST.traverse(options.object_path)
            except (KeyError, AttributeError, NotFound, Unauthorized):
                pass  # told below, where it is so for the system user, too
    if not options.no_login:
        log_in()
    import Zope2

    found = {"app": app, "sys": sys, "Zope2": Zope2}
    if options.object_path:
        try:
            found["obj"] = app.restrictedTraverse(options.object_path)
        except (KeyError, AttributeError, NotFound, Unauthorized) as error:
            raise Failure("no object at %s: %r" % (options.object_path, error))
    return found


def _main_module(path, values):
    import types

    module = types.ModuleType("__main__")
    module.__file__ = path
    vars(module).update(values)
    sys.modules["__main__"] = module
    return vars(module)


def run(options):
    """Run a script as ever: `sys.argv` and `__file__` speak of the interpreter."""
    script = options.args[0]
    sys.argv = [options.argv0, "-c"] + options.args
    return _run(options, script, options.argv0)


def execute(options):
    """Run a script as Python does: `sys.argv`, `__file__` and the path speak of the script."""
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
        module = _main_module(path, names(options, app))
        try:
            # Without our own `from __future__`
            exec(compile(source, script, "exec", 0, True), module)
        except Exception:
            kind, error, where = sys.exc_info()
            traceback.print_exception(kind, error, where.tb_next)
            return 1
    return 0


def debug(options):
    """Read Python from the terminal."""
    import code

    sys.argv = [options.argv0]
    with opened(options) as app:
        module = _main_module(options.argv0, names(options, app))
        if sys.stdin.isatty():
            _edit_lines(module)
        known = "app" + (" and obj" if "obj" in module else "")
        code.interact("Python %s, with %s" % (sys.version.split()[0], known), None, module)
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
    """Add a Manager to the root's user folder; a name that is there is refused."""
    name, password = options.args[0], sys.stdin.readline().rstrip("\n")
    with opened(options) as app:
        log_in()
        folder = with_request(app).acl_users
        if folder.getUser(name) is not None:
            raise Failure("there is a user '%s' already" % name)
        folder._doAddUser(name, password, ["Manager"], [])
        if folder.getUser(name) is None:
            raise Failure("the user folder did not take the user '%s'" % name)
        import transaction

        transaction.commit()
    print("user '%s' added" % name)
    return 0


def addon(options):
    """Run a command of another package, of the group ``zopectl.command``."""
    import pkg_resources

    name = options.args[0]
    for found in pkg_resources.iter_entry_points("zopectl.command", name):
        sys.argv = [options.argv0, "-c"] + options.args
        with opened(options) as app:
            _main_module(options.argv0, {"app": app})
            if not options.no_request:
                with_request(app)
            if not options.no_login:
                log_in()
            result = found.load()(app, sys.argv[1:])
        return result if isinstance(result, int) else 0
    raise Failure("unknown command '%s'; help tells those there are" % name, 2)


# --- questions of the recipe and of `check` --------------------------------------------------


def answer(options):
    """Read a question from stdin, and print the answer: JSON, both."""
    question = json.load(sys.stdin)
    sys.path[0:0] = [_native(path) for path in question.get("paths", ())]
    found = {"version": list(sys.version_info[:3]), "problems": [], "projects": [], "findings": []}
    if sys.version_info[:2] == (2, 7):
        found["problems"] = list(missing(question.get("eggs", ())))
        if not found["problems"]:
            found["projects"] = _projects()
            found["findings"] = list(_findings(question))
    print(MARK + json.dumps(found))


def missing(eggs):
    """Yield what is not installed of ZServer, Zope and these distributions, and why."""
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

    return [one.project_name for one in pkg_resources.working_set]


def _findings(question):
    """Yield file, line and message of what is wrong."""
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
    """Yield line and message of what ZServer's schema refuses."""
    import ZConfig

    try:
        load(path, text)
    except ZConfig.SubstitutionReplacementError as error:
        # An environment variable may be there only when the server starts
        if text is None or "$(%s" % error.name not in (error.source or ""):
            yield error.lineno or 0, str(error.message)
    except ZConfig.ConfigurationError as error:
        yield getattr(error, "lineno", 0) or 0, str(error.message or error)
    except ImportError as error:
        yield 0, str(error)


def _package(name, file):
    """Return what is wrong with a package that ZCML includes, None where nothing is."""
    import pkgutil

    try:
        loader = pkgutil.find_loader(name)
    except Exception as error:  # the import of its parent runs code; whatever fails there
        return "the package %s cannot be imported: %r" % (name, error)
    if loader is None:
        return "there is no package %s" % name
    place = loader.get_filename(name)
    if loader.is_package(name) and not os.path.isfile(os.path.join(os.path.dirname(place), file)):
        return "the package %s has no %s" % (name, file)
    return None


def _native(text):
    """Return text from JSON as this Python's own `str`."""
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
    # What lies beside this file is not for Python 2
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _here]
    sys.exit(main(sys.argv[1:]))
