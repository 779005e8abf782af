"""Writes down the state of the interpreter: ZCML imports this package while the application is loaded."""

import builtins
import decimal
import faulthandler
import gc
import json
import locale
import logging
import os
import resource
import signal
import socket
import sys
import threading
import warnings


def write(moment, **more):
    """Write the facts to $PROBE/MOMENT.json: an object whose values are JSON, too."""
    path = os.path.join(os.environ["PROBE"], f"{moment}.json")
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(_facts() | more, file)
    os.rename(f"{path}.new", path)


def _facts():
    return {
        **_python(),
        **_process(),
        **{f"environ {name}": value for name, value in os.environ.items()},
        **{f"flags {name}": getattr(sys.flags, name) for name in sys.flags.__match_args__},
        **{f"hook {name}": _name(hook) for name, hook in _hooks().items()},
        **{f"signal {number.name}": _handler(number) for number in signal.Signals},
        **{f"stream {number}": _stream(file) for number, file in enumerate((sys.stdin, sys.stdout, sys.stderr))},
    }


def _python():
    main = sys.modules["__main__"]
    return {
        "argv": sys.argv,
        "builtins": sorted(vars(builtins)),
        "collector": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
        "decimal": repr(decimal.getcontext()),
        "dont_write_bytecode": sys.dont_write_bytecode,
        "encodings": [sys.getfilesystemencoding(), sys.getfilesystemencodeerrors(), locale.getpreferredencoding(False)],
        "executable": sys.executable,
        "faulthandler": faulthandler.is_enabled(),
        "finders": [_name(finder) for finder in (*sys.meta_path, *sys.path_hooks)],
        "hash": hash("text"),
        "interactive": [hasattr(sys, "ps1"), hasattr(sys, "__interactivehook__")],
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": [logging.raiseExceptions, logging.root.level, [_name(item) for item in logging.root.handlers]],
        "main file": getattr(main, "__file__", None),
        "main name": main.__name__,
        "path": sys.path,
        "prefix": [sys.prefix, sys.exec_prefix, sys.pycache_prefix],
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "threads": [sorted(thread.name for thread in threading.enumerate()), threading.stack_size()],
        "timeout of sockets": socket.getdefaulttimeout(),
        "tracing": [sys.gettrace() is not None, sys.getprofile() is not None],
        "warning filters": [list(map(str, item)) for item in warnings.filters],
        "warning options": sys.warnoptions,
        "X options": sys._xoptions,
    }


def _process():
    umask = os.umask(0)
    os.umask(umask)
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    with open("/proc/self/environ", encoding="utf-8") as file:
        environment = file.read().split("\0")
    return {
        "blocked signals": sorted(
            signal.Signals(number).name for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        ),
        "descriptors": [int(number) for number in os.listdir("/proc/self/fd") if _is_inheritable(int(number))],
        "first environ": sorted(item.partition("=")[0] for item in environment),
        "leader": [os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid()],
        "limits": [(name, resource.getrlimit(getattr(resource, name))) for name in dir(resource) if "RLIMIT" in name],
        "nice": os.nice(0),
        "umask": oct(umask),
        "wakeup": wakeup != -1,
        "working directory": os.getcwd(),
    }


def _is_inheritable(descriptor):
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False  # it was that of the directory


def _hooks():
    names = ("breakpointhook", "displayhook", "excepthook", "unraisablehook")
    return {
        **{name: getattr(sys, name) for name in names},
        "formatwarning": warnings.formatwarning,
        "showwarning": warnings.showwarning,
        "thread": threading.excepthook,
    }


def _handler(number):
    handler = signal.getsignal(number)
    return handler.name if isinstance(handler, signal.Handlers) else _name(handler)


def _name(value):
    value = value if hasattr(value, "__qualname__") else type(value)
    return f"{value.__module__}.{value.__qualname__}"


def _stream(file):
    if file is None:
        return None
    names = ("name", "mode", "encoding", "errors", "newlines", "line_buffering", "write_through")
    kind = os.readlink(f"/proc/self/fd/{file.fileno()}").partition(":[")[0]
    return [file.fileno(), kind, os.get_blocking(file.fileno()), *(getattr(file, name) for name in names)]


def old():
    """Warn about each place that calls this."""
    warnings.warn("old is\noutdated", DeprecationWarning, stacklevel=2)


write("application")
for _ in range(3):
    old()
    with warnings.catch_warnings():
        pass
old()
