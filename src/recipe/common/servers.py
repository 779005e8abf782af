"""What each WSGI server can do: data only, for the recipe and for the documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Description:
    """A server that can be the value of the option ``wsgi-server``.

    name          the value of the option
    factory       the name of its entry point in ``paste.server_factory``, if that is not `name`
    module        the module that runs the server, see `recipe.wsgi.servers`
    distribution  the distribution with the entry point
    extra         the extra of `distribution` that installs the server; empty if `distribution` requires it
    homepage      the URL of the list of its settings
    threads       whether it can use several threads
    workers       whether it can run in several processes
    unix          whether it can listen on unix sockets
    several       whether it can listen on more than one address
    late          whether it can begin to listen when the application is loaded (``http-fast-listen = off``)
    header_limit  whether the size of a request's head can be limited
    own_options   whether it has settings of its own, for ``wsgi-server-options``
    lasting       whether it handles more than one request on a connection
    slow_clients  whether clients that send or receive slowly leave the threads free for other clients
    dashes_only   whether it drops headers with an underscore, which the application would read as those with a dash
    chunked       whether it accepts bodies in chunks; otherwise it answers such a request with 411
    eager         whether a client may send ``Expect: 100-continue`` and the body at once; otherwise the client waits
    answer_limit  the maximum number of seconds for a response; 0: no limit
    covered       its settings that ``wsgi-server-options`` does not accept, and the option to use instead; "" if none
    remark        further remarks, in sentences
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
        """The name of its entry point, which follows that of the distribution in wsgi.ini."""
        return self.factory or self.name


WAITRESS = Description(
    name="waitress",
    module="recipe.wsgi.servers.waitress",
    factory="main",
    workers=True,
    own_options=False,
    slow_clients=True,
    homepage="https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html",
    remark="Needs no proxy in front of it. Its own settings are the options ``waitress-NAME``.",
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
                # of its master process
                "proc_name", "control_socket", "control_socket_mode", "control_socket_disable", "on_starting",
                "on_reload", "when_ready", "pre_fork", "post_fork", "pre_exec", "worker_int", "worker_abort",
                "worker_exit", "child_exit", "nworkers_changed", "on_exit", "dirty_apps", "dirty_workers",
                "dirty_timeout", "dirty_threads", "dirty_graceful_timeout", "on_dirty_starting", "dirty_post_fork",
                "dirty_worker_init", "dirty_worker_exit",
            ),
            "",
        ),
    },
    remark="Runs without gunicorn's master process. With ``max_requests``, ``timeout`` or a ``worker_class`` other "
    "than ``gthread``, a second process replaces the worker even if ``workers`` is 1. Otherwise one process serves, "
    "and there is no ``timeout``. "
    "If a worker is killed, clients that have just connected to it wait for its replacement. "
    "Needs a buffering proxy in front of it, such as nginx. Releases before 27.0.1 lose requests on persistent "
    "connections when they stop, so a newer one is required.",
)  # fmt: skip

_BUFFERS = "Needs a buffering proxy in front of it, such as nginx."

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
    remark=f"Pure Python. Each address has a pool of ``threads`` threads. {_BUFFERS}",
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
    remark="Handles one request at a time in each process, and keeps its body in memory. To install it, a C compiler"
    " and libev (``libev-dev``) are needed.",
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
    remark="HTTP/1 only. Each address has a pool of ``threads`` threads. Each worker has its own socket: if a worker is"
    " killed, clients that have just connected to it wait for its replacement; before Linux 4.6 their requests are"
    f" lost. {_BUFFERS}",
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
    remark="For development only: it starts a thread for each connection, without a limit, unless ``threads`` is 1.",
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
    remark="Runs uWSGI's ``http-socket`` without its master process. The maximum is 64 KB for the head of a request,"
    " and 16 MB for a chunk of a body. "
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
    remark="Linux only. Keeps three copies of each request's body in memory. Needs a proxy in front of it that buffers"
    " requests and responses, such as nginx: without one, slow downloads are cut off and bodies in chunks are refused.",
)

SERVERS = {server.name: server for server in (WAITRESS, GUNICORN, CHEROOT, BJOERN, GRANIAN, UWSGI, PYRUVATE, WERKZEUG)}

#: Settings of waitress that every server follows.
SHARED = (
    "threads", "max_request_body_size", "max_request_header_size", "backlog", "ipv4", "ipv6", "unix_socket_perms",
    "trusted_proxy", "trusted_proxy_count", "trusted_proxy_headers", "clear_untrusted_proxy_headers",
    "log_untrusted_proxy_headers",
)  # fmt: skip
