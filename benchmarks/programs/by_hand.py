"""Serve the application of a PasteDeploy file as one would without the recipe: ``by_hand.py SERVER WSGI_INI PORT``.

Run with the interpreter of a part: so the eggs, the pipeline and the logs are the part's, and only the server is not.
Four threads, where the server has threads.
"""

import os
import sys
from collections.abc import Callable
from logging.config import fileConfig
from pathlib import Path
from typing import Any

HOST, THREADS = "127.0.0.1", 4

#: By which the path of the PasteDeploy file reaches a worker.
VARIABLE = "BY_HAND_WSGI_INI"


def make() -> Any:
    """Load logging and application, as runwsgi does."""
    from paste.deploy import loadapp

    wsgi_ini = os.environ[VARIABLE]
    fileConfig(wsgi_ini, disable_existing_loggers=False)
    return loadapp(f"config:{wsgi_ini}")


def find_this_file() -> None:
    """Let a worker import `make` from here."""
    sys.path.insert(0, str(Path(__file__).parent))


def waitress(port: int) -> None:
    """Serve with waitress."""
    from waitress import serve

    serve(make(), host=HOST, port=port, threads=THREADS)


def gunicorn(port: int) -> None:
    """Run gunicorn's own command."""
    from gunicorn.app.wsgiapp import run

    sys.argv = [
        "gunicorn", "--paste", os.environ[VARIABLE], "--bind", f"{HOST}:{port}", "--threads", str(THREADS),
        "--no-control-socket",
    ]  # fmt: skip
    run()


def cheroot(port: int) -> None:
    """Serve with cheroot."""
    from cheroot.wsgi import Server

    Server((HOST, port), make(), numthreads=THREADS).start()


def bjoern(port: int) -> None:
    """Serve with bjoern, which has no threads."""
    import bjoern

    bjoern.run(make(), HOST, port)


def granian(port: int) -> None:
    """Serve with granian."""
    from granian import Granian
    from granian.constants import Interfaces

    find_this_file()
    Granian(
        "by_hand:make", factory=True, interface=Interfaces.WSGI, address=HOST, port=port, blocking_threads=THREADS
    ).serve()


def uwsgi(port: int) -> None:
    """Run uWSGI, from its wheel."""
    import pyuwsgi

    pyuwsgi.run([
        "--http-socket", f"{HOST}:{port}", "--master", "--enable-threads", "--threads", str(THREADS), "--lazy-apps",
        "--module", "by_hand:make()", "--disable-logging", "--die-on-term", "--pythonpath", str(Path(__file__).parent),
    ])  # fmt: skip


def pyruvate(port: int) -> None:
    """Serve with pyruvate."""
    from pyruvate import serve

    serve(make(), f"{HOST}:{port}", THREADS)


def werkzeug(port: int) -> None:
    """Serve with werkzeug, a thread for each connection."""
    from werkzeug.serving import make_server

    make_server(HOST, port, make(), threaded=True).serve_forever()


SERVERS: dict[str, Callable[[int], None]] = {
    each.__name__: each for each in (waitress, gunicorn, cheroot, bjoern, granian, uwsgi, pyruvate, werkzeug)
}

if __name__ == "__main__":
    name, os.environ[VARIABLE], number = sys.argv[1:]
    SERVERS[name](int(number))
