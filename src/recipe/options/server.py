"""Options of the WSGI server and its pipeline, and those that only ZServer has."""

from dataclasses import dataclass
from typing import Any, ClassVar

from recipe.common.address import Address
from recipe.common.names import PIPELINE
from recipe.options import kinds
from recipe.options.declare import Applies, Into, Kind, option


@dataclass(frozen=True)
class Server:
    """The HTTP server and the PasteDeploy pipeline."""

    INTO: ClassVar = (Into.WSGI_INI,)

    wsgi: bool | str = option(
        "wsgi",
        kinds.PATH_OR_BOOLEAN,
        "``on`` runs the WSGI server that ``wsgi-server`` names. ``off`` runs ZServer, in the Python 2.7 that "
        "``zserver-python`` names. A path names a PasteDeploy file of your own; the recipe then generates no "
        "``wsgi.ini``.",
        "on",
        into=(),
    )
    name: str = option(
        "wsgi-server",
        kinds.WORD,
        "The name of the WSGI server; :doc:`which-server` helps to choose one. The recipe installs the server, by an "
        "extra of its distribution.",
        "waitress",
        applies=Applies.WSGI,
    )
    workers: int = option(
        "workers",
        kinds.COUNT,
        "The number of processes that serve requests. Each of them has ``threads`` threads and database connections "
        "of its own. More than one process needs a server that supports several, and a database in ZEO or "
        "RelStorage.",
        "1",
        applies=Applies.WSGI,
    )
    warm_up: tuple[str, ...] = option(
        "warm-up",
        kinds.URL_PATHS,
        "The paths that a new server requests of its own application before ``reload`` lets it take the place of the "
        "old one, separated by white space, for example ``/ /Plone /Plone/news``. An empty value leaves this out.",
        "/",
        applies=Applies.WSGI,
        keep_empty=True,
    )
    preload: bool = option(
        "preload",
        kinds.BOOLEAN,
        "Whether the application is loaded once, in a process from which the workers are forked; a new worker then "
        "serves at once, and the workers share memory. If something in the application would not survive that, "
        "such as a thread, the event log has a warning, and each worker loads the application itself.",
        "true",
        applies=Applies.WSGI,
    )
    own_options: tuple[tuple[str, str], ...] = option(
        "wsgi-server-options",
        kinds.ASSIGNMENTS,
        "Settings of the WSGI server, as lines ``key = value`` with the names that the server uses. A setting for "
        "which the part has an option is an error.",
        "",
        applies=Applies.WSGI,
        instead="zope-conf-additional",
    )
    addresses: tuple[Address, ...] = option(
        "http-address",
        kinds.ADDRESSES,
        "Where the server listens: a port, ``host:port``, ``[::1]:8080``, ``*:8080`` (all interfaces, IPv4 and "
        "IPv6), ``unix:/path``, or several of these. If empty, ``wsgi.ini`` has no server section, so that an "
        "external WSGI server can use the file.",
        "0.0.0.0:8080",
        zserver_default="8080",
        keep_empty=True,
    )
    port_base: int = option(
        "port-base",
        kinds.NUMBER,
        "A number that is added to every port, so that several instances can share the same addresses in their "
        "options.",
        "0",
    )
    fast_listen: bool = option(
        "http-fast-listen",
        kinds.BOOLEAN,
        "Makes the server listen before Zope has started, so that early requests wait instead of being refused.",
        "on",
    )
    threads: int = option(
        "threads",
        kinds.COUNT,
        "The number of worker threads: each process handles this number of requests at the same time.",
        "4",
        zserver_default="2",
    )
    max_request_body_size: int = option(
        "max-request-body-size",
        kinds.SIZE,
        "The maximum size of a request body, in bytes or with a unit. The server refuses larger bodies.",
        "1073741824",
        applies=Applies.WSGI,
    )
    clear_untrusted_proxy_headers: bool = option(
        "clear-untrusted-proxy-headers",
        kinds.BOOLEAN,
        "Removes ``X-Forwarded-*`` headers from requests that do not come from the trusted proxy, which "
        "``waitress-trusted-proxy`` names.",
        "false",
        applies=Applies.WSGI,
    )
    asyncore_use_poll: bool = option(
        "asyncore-use-poll",
        kinds.BOOLEAN,
        "Whether waitress uses ``poll()``. With ``off`` it uses ``select()``, which can handle file descriptors below "
        "1024 only: the server then opens no others, and accepts up to 100 connections instead of 500, unless "
        "``waitress-connection-limit`` is set. In a template, ``%(asyncore_use_poll)s`` is ``true`` or ``select``.",
        "true",
        applies=Applies.WSGI,
    )
    max_header_size: int | None = option(
        "http-header-max-length",
        kinds.SIZE,
        "The maximum size of the head of a request: its first line and its headers. If left out, the server's own "
        "limit applies.",
        zserver_default="8192",
    )
    pipeline: tuple[str, ...] = option(
        "pipeline",
        kinds.PIPELINE,
        "The PasteDeploy pipeline: its filters in order, and then the application. The recipe appends ``zope`` if it "
        "is missing, inserts ``sentry`` and ``profile`` before the application if they are switched on, and removes "
        "``translogger`` if the access log is disabled.",
        " ".join(PIPELINE),
        applies=Applies.WSGI,
    )
    ini_template: str | None = option(
        "wsgi-ini-template",
        kinds.EXISTING_FILE,
        "A template of your own for the whole ``wsgi.ini``, in which ``%(name)s`` stands for a value. The names are "
        "listed at the end of this page.",
        applies=Applies.WSGI,
    )
    logging_template: str | None = option(
        "wsgi-logging-ini-template",
        kinds.EXISTING_FILE,
        "A template of your own for the logging sections of ``wsgi.ini``, with the same names as "
        "``wsgi-ini-template``.",
        applies=Applies.WSGI,
    )

    @property
    def is_configured(self) -> bool:
        """Whether there is a server: without addresses, only a template may have one."""
        return bool(self.addresses or self.ini_template)


def _zserver(name: str, kind: Kind[Any], doc: str, instead: str = "", **more: Any) -> Any:
    return option(name, kind, doc, applies=Applies.ZSERVER, instead=instead, **more)


@dataclass(frozen=True)
class ZServer:
    """Options that only ZServer has. Under WSGI, each of them causes a warning."""

    INTO: ClassVar = (Into.ZOPE_CONF,)

    python: str | None = _zserver(
        "zserver-python",
        kinds.FILE_IN_DIRECTORY,
        "The path of a Python 2.7 with ZServer, Zope 4 and ``eggs`` in its environment. ZServer runs in it.",
        into=(Into.FACTS,),
    )
    old_threads: int | None = _zserver("zserver-threads", kinds.COUNT, "The old name of ``threads``.", "threads")
    ip_address: str | None = _zserver(
        "ip-address", kinds.WORD, "The host of all addresses that consist of a port only.", "http-address"
    )
    ftp: tuple[Address, ...] = _zserver(
        "ftp-address", kinds.ADDRESSES, "Where the FTP server listens. If left out, there is no FTP server.", default=""
    )
    icp: tuple[Address, ...] = _zserver(
        "icp-address", kinds.ADDRESSES, "Where the ICP server listens. If left out, there is no ICP server.", default=""
    )
    webdav: tuple[Address, ...] = _zserver(
        "webdav-address",
        kinds.ADDRESSES,
        "Where the WebDAV source server listens. If left out, there is no WebDAV source server.",
        "webdav-source-port in zope-conf-additional",
        default="",
    )
    webdav_force_close: bool = _zserver(
        "webdav-force-connection-close", kinds.BOOLEAN, "Closes a WebDAV connection after each response.", default="off"
    )
    http_force_close: bool | None = _zserver(
        "http-force-connection-close", kinds.BOOLEAN, "Closes an HTTP connection after each response."
    )
    product_installation: bool = _zserver(
        "enable-product-installation",
        kinds.BOOLEAN,
        "Lets products store persistent data in the database when they are installed.",
        default="off",
    )
    mailinglogger: str | None = _zserver(
        "mailinglogger",
        kinds.TEXT,
        "A ``<mailing-logger>`` section to add to the event log. It needs mailinglogger 3.",
        "event-log-handler = logging.handlers.SMTPHandler with event-log-args",
    )
    event_log_custom: str | None = _zserver(
        "event-log-custom", kinds.TEXT, "ZConfig sections that replace the file of the event log.", "event-log-handler"
    )
    access_log_custom: str | None = _zserver(
        "access-log-custom",
        kinds.TEXT,
        "ZConfig sections that replace the file of the access log.",
        "access-log-handler",
    )
