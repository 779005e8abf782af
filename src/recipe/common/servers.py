"""What each server can do: no more than data, for the recipe and for the documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Description:
    """A server that the option ``wsgi-server`` can name.

    name          its name there
    factory       that of its entry points (``paste.server_factory``); empty: it is the name
    module        of ours that runs it, see `recipe.wsgi.servers`
    distribution  the one with the entry points
    extra         of `distribution`, which brings the server; empty where it is there anyway
    homepage      the list of its settings
    threads       whether it has several threads
    workers       whether it has several processes
    unix          whether it listens on unix sockets
    several       whether it listens on more than one address
    late          whether it can wait with listening until the application is there (``http-fast-listen = off``)
    header_limit  whether the head of a request can be limited
    own_options   whether it has settings of its own, for ``wsgi-server-options``
    lasting       whether a connection takes more than one request
    slow_clients  whether clients that send or take their bytes slowly leave the threads to others
    dashes_only   whether headers with an underscore are dropped, which the application takes for those with a dash
    chunked       whether a body in chunks arrives; otherwise the request is answered with 411
    eager         whether a client may send its body at once though it asks for ``100 Continue``; otherwise it waits
    answer_limit  seconds that a client has for an answer, at most; 0: as long as it takes
    covered       settings of its own that are not for ``wsgi-server-options``: the option that is for them, or nothing
    remark        what else is worth knowing, one sentence
    """

    name: str
    module: str
    factory: str = ""
    distribution: str = "plone.recipe.zope2instance"
    extra: str = ""
    homepage: str = ""
    threads: bool = True
    workers: bool = False
    unix: bool = True
    several: bool = True
    late: bool = True
    header_limit: bool = True
    own_options: bool = True
    lasting: bool = True
    slow_clients: bool = False
    dashes_only: bool = True
    chunked: bool = True
    eager: bool = True
    answer_limit: int = 0
    covered: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""

    @property
    def entry_point(self) -> str:
        """Its name in wsgi.ini, after that of the distribution."""
        return self.factory or self.name


WAITRESS = Description(
    name="waitress",
    module="recipe.wsgi.servers.waitress",
    factory="main",
    own_options=False,
    slow_clients=True,
    homepage="https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html",
    remark="Needs nothing in front of it. Its own settings are options: ``waitress-NAME``.",
)

GUNICORN = Description(
    name="gunicorn",
    module="recipe.wsgi.servers.gunicorn",
    extra="gunicorn",
    workers=True,
    homepage="https://docs.gunicorn.org/en/stable/settings.html",
    covered={
        "bind": "http-address",
        "workers": "workers",
        "threads": "threads",
        "graceful_timeout": "graceful-timeout",
        "limit_request_line": "http-header-max-length",
        "limit_request_field_size": "http-header-max-length",
        "user": "effective-user",
        "group": "effective-user",
        "initgroups": "effective-user",
        "umask": "zopectl-umask",
        "pidfile": "pid-file",
        "accesslog": "access-log",
        "errorlog": "event-log",
        "loglevel": "event-log-level",
        **dict.fromkeys(("logconfig", "logconfig_dict", "logconfig_json"), "wsgi-logging-ini-template"),
        "raw_env": "environment-vars",
        "pythonpath": "extra-paths",
        "forwarded_allow_ips": "waitress-trusted-proxy",
        **dict.fromkeys(
            (
                "config", "wsgi_app", "paste", "raw_paste_global_conf", "default_proc_name", "chdir", "daemon",
                "preload_app", "reuse_port", "reload", "logger_class", "capture_output", "check_config",
                "print_config", "enable_backlog_metric",
            ),
            "",
        ),
    },
    remark="A process forks the workers and replaces those that die, also where ``workers`` is 1. "
    "Who has just connected to a worker that dies waits for its successor. "
    "Wants a proxy in front of it that buffers, such as nginx. It has to be 27.0.1 or newer: those before lose "
    "requests on connections that last when they stop.",
)  # fmt: skip

_BUFFERS = "Wants a proxy in front of it that buffers, such as nginx."

CHEROOT = Description(
    name="cheroot",
    module="recipe.wsgi.servers.cheroot",
    extra="cheroot",
    homepage="https://cheroot.cherrypy.dev/en/latest/pkg/cheroot.wsgi/",
    covered={
        "bind_addr": "http-address",
        "numthreads": "threads",
        "request_queue_size": "waitress-backlog",
        "shutdown_timeout": "graceful-timeout",
        "max_request_header_size": "http-header-max-length",
        **dict.fromkeys(("wsgi_app", "reuse_port", "nodelay"), ""),
    },
    remark=f"Python only. Each address has ``threads`` of its own. {_BUFFERS}",
)

BJOERN = Description(
    name="bjoern",
    module="recipe.wsgi.servers.bjoern",
    extra="bjoern",
    homepage="https://github.com/jonashaag/bjoern",
    threads=False,
    workers=True,
    several=False,
    header_limit=False,
    own_options=False,
    slow_clients=True,
    remark="One request at a time in each process, the body of each in memory. Is compiled when it is installed: it"
    " wants a C compiler and libev (``libev-dev``).",
)

GRANIAN = Description(
    name="granian",
    module="recipe.wsgi.servers.granian",
    extra="granian",
    workers=True,
    header_limit=False,
    dashes_only=False,
    homepage="https://github.com/emmett-framework/granian",
    covered={
        **dict.fromkeys(("address", "port", "uds"), "http-address"),
        "uds_permissions": "waitress-unix-socket-perms",
        "blocking_threads": "threads",
        "backlog": "waitress-backlog",
        "pid_file": "pid-file",
        "workers_kill_timeout": "graceful-timeout",
        **dict.fromkeys(("interface", "target", "log_access", "working_dir"), ""),
    },
    remark="HTTP/1 only, here. Each address has ``threads`` of its own, and each worker a socket: where one dies,"
    " those who have just connected to it wait for its successor; with a Linux before 4.6 they lose their request, too."
    f" {_BUFFERS}",
)

WERKZEUG = Description(
    name="werkzeug",
    module="recipe.wsgi.servers.werkzeug",
    extra="werkzeug",
    homepage="https://werkzeug.palletsprojects.com/en/stable/serving/",
    header_limit=False,
    own_options=False,
    lasting=False,
    slow_clients=True,
    remark="For development only: a thread for each connection, without a limit, unless ``threads`` is 1.",
)

_UWSGI_SOCKETS = ("socket", "uwsgi-socket", "http", "http-socket", "http11-socket", "https-socket", "fastcgi-socket")
_UWSGI_PROCESSES = ("workers", "processes")

UWSGI = Description(
    name="uwsgi",
    module="recipe.wsgi.servers.uwsgi",
    extra="uwsgi",
    workers=True,
    lasting=False,
    dashes_only=False,
    homepage="https://uwsgi-docs.readthedocs.io/en/latest/Options.html",
    covered={
        **dict.fromkeys(_UWSGI_SOCKETS, "http-address"),
        **dict.fromkeys(_UWSGI_PROCESSES, "workers"),
        "threads": "threads",
        "buffer-size": "http-header-max-length",
        "listen": "waitress-backlog",
        "limit-post": "max-request-body-size",
        "chmod-socket": "waitress-unix-socket-perms",
        **dict.fromkeys(("uid", "gid"), "effective-user"),
        "umask": "zopectl-umask",
        **dict.fromkeys(("pidfile", "pidfile2", "safe-pidfile", "safe-pidfile2"), "pid-file"),
        **dict.fromkeys(("logto", "logto2", "logger"), "event-log"),
        "req-logger": "access-log",
        "env": "environment-vars",
        **dict.fromkeys(("pythonpath", "python-path", "pp"), "extra-paths"),
        **dict.fromkeys(
            (
                "master",
                "daemonize",
                "daemonize2",
                "emperor",
                "chdir",
                "chroot",
                "cheap",
                "cheaper",
                "lazy",
                "lazy-apps",
                "die-on-term",
                "module",
                "wsgi",
                "wsgi-file",
                "file",
                "callable",
                "mount",
                "paste",
                "ini-paste",
                "home",
                "virtualenv",
                "venv",
                "single-interpreter",
                "enable-threads",
                "async",
                "gevent",
                "hook-accepting1",
                "max-requests",
                "skip-atexit",
            ),
            "",
        ),
    },
    remark="Its ``http-socket``, without its master. The head of a request has at most 64 KB, a chunk of a body 16 MB. "
    f"{_BUFFERS}",
)

PYRUVATE = Description(
    name="pyruvate",
    module="recipe.wsgi.servers.pyruvate",
    extra="pyruvate",
    homepage="https://gitlab.com/tschorr/pyruvate",
    workers=True,
    several=False,
    header_limit=False,
    lasting=False,
    slow_clients=True,
    dashes_only=False,
    chunked=False,
    eager=False,
    answer_limit=255,
    covered={
        **dict.fromkeys(("addr", "socket"), "http-address"),
        "num_workers": "threads",
        **dict.fromkeys(("chunked_transfer", "max_reuse_count", "keepalive_timeout", "application"), ""),
    },
    remark="Linux only. The body of each request is in memory, three times. Wants a proxy in front of it that buffers"
    " requests and answers, such as nginx: without one, slow downloads are cut, and bodies in chunks refused.",
)

SERVERS = {server.name: server for server in (WAITRESS, GUNICORN, CHEROOT, BJOERN, GRANIAN, UWSGI, PYRUVATE, WERKZEUG)}

#: Settings of waitress's that every server goes by.
SHARED = (
    "threads", "max_request_body_size", "max_request_header_size", "backlog", "ipv4", "ipv6", "unix_socket_perms",
    "trusted_proxy", "trusted_proxy_count", "trusted_proxy_headers", "clear_untrusted_proxy_headers",
    "log_untrusted_proxy_headers",
)  # fmt: skip
