"""The WSGI server, its pipeline, and the options that only ZServer has."""

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
        "on: the server that ``wsgi-server`` names. off: ZServer, in the Python 2.7 that ``zserver-python`` names. "
        "A path: that PasteDeploy file is used, and none is generated.",
        "on",
        into=(),
    )
    name: str = option(
        "wsgi-server",
        kinds.WORD,
        "The WSGI server, by its name: see :doc:`which-server`. Brings the server, by an extra of this distribution.",
        "waitress",
        applies=Applies.WSGI,
    )
    workers: int = option(
        "workers",
        kinds.COUNT,
        "Processes that serve, each with ``threads`` threads and a database connection of its own. More than one needs "
        "a server that has workers, and ZEO or RelStorage.",
        "1",
        applies=Applies.WSGI,
    )
    own_options: tuple[tuple[str, str], ...] = option(
        "wsgi-server-options",
        kinds.ASSIGNMENTS,
        "Lines ``key = value``: settings of the server's own, by its names. Those that an option is for are refused.",
        "",
        applies=Applies.WSGI,
        instead="zope-conf-additional",
    )
    addresses: tuple[Address, ...] = option(
        "http-address",
        kinds.ADDRESSES,
        "Where the server listens: a port, ``host:port``, ``[::1]:8080``, ``*:8080`` (all interfaces, IPv4 and "
        "IPv6), ``unix:/path``, or several of them. Empty: no server section, for an external WSGI server.",
        "0.0.0.0:8080",
        zserver_default="8080",
        keep_empty=True,
    )
    port_base: int = option("port-base", kinds.NUMBER, "Added to every port.", "0")
    fast_listen: bool = option(
        "http-fast-listen",
        kinds.BOOLEAN,
        "Listen before Zope starts, so that early requests wait instead of being refused.",
        "on",
    )
    threads: int = option(
        "threads", kinds.COUNT, "Worker threads.", "4", zserver_default="2", into=(Into.WSGI_INI, Into.ZOPE_CONF)
    )
    max_request_body_size: int = option(
        "max-request-body-size",
        kinds.SIZE,
        "The largest request body, in bytes or with a unit.",
        "1073741824",
        applies=Applies.WSGI,
    )
    clear_untrusted_proxy_headers: bool = option(
        "clear-untrusted-proxy-headers",
        kinds.BOOLEAN,
        "Let waitress drop ``X-Forwarded-*`` headers of untrusted peers.",
        "false",
        applies=Applies.WSGI,
    )
    asyncore_use_poll: bool = option(
        "asyncore-use-poll",
        kinds.BOOLEAN,
        "Let waitress use poll() instead of select().",
        "false",
        applies=Applies.WSGI,
    )
    max_header_size: int | None = option(
        "http-header-max-length",
        kinds.SIZE,
        "The largest head of a request.",
        zserver_default="8192",
    )
    pipeline: tuple[str, ...] = option(
        "pipeline",
        kinds.PIPELINE,
        "The PasteDeploy pipeline, in order. ``zope`` is appended where it is missing; ``sentry`` and ``profile`` are "
        "put before it when switched on; ``translogger`` goes when the access log is disabled.",
        " ".join(PIPELINE),
        applies=Applies.WSGI,
    )
    ini_template: str | None = option(
        "wsgi-ini-template",
        kinds.EXISTING_FILE,
        "A file that becomes wsgi.ini, with ``%(name)s`` filled in; the names stand below.",
        applies=Applies.WSGI,
    )
    logging_template: str | None = option(
        "wsgi-logging-ini-template",
        kinds.EXISTING_FILE,
        "The same for the logging half of wsgi.ini only.",
        applies=Applies.WSGI,
    )


def _zserver(name: str, kind: Kind[Any], doc: str, instead: str = "", **more: Any) -> Any:
    return option(name, kind, doc, applies=Applies.ZSERVER, instead=instead, **more)


@dataclass(frozen=True)
class ZServer:
    """What only ZServer has; under WSGI each is a warning."""

    INTO: ClassVar = (Into.ZOPE_CONF,)

    python: str | None = _zserver(
        "zserver-python",
        kinds.FILE_IN_DIRECTORY,
        "A Python 2.7 in whose environment ZServer, Zope 4 and ``eggs`` are installed. ZServer runs in it.",
        into=(Into.FACTS,),
    )
    old_threads: int | None = _zserver("zserver-threads", kinds.COUNT, "The old name of ``threads``.", "threads")
    ip_address: str | None = _zserver(
        "ip-address", kinds.WORD, "The host of all addresses that are a port only.", "http-address"
    )
    ftp: tuple[Address, ...] = _zserver("ftp-address", kinds.ADDRESSES, "Where the FTP server listens.", default="")
    icp: tuple[Address, ...] = _zserver("icp-address", kinds.ADDRESSES, "Where the ICP server listens.", default="")
    webdav: tuple[Address, ...] = _zserver(
        "webdav-address",
        kinds.ADDRESSES,
        "Where the WebDAV source server listens.",
        "webdav-source-port in zope-conf-additional",
        default="",
    )
    webdav_force_close: bool = _zserver(
        "webdav-force-connection-close", kinds.BOOLEAN, "Close WebDAV connections after each response.", default="off"
    )
    http_force_close: bool | None = _zserver(
        "http-force-connection-close", kinds.BOOLEAN, "Close HTTP connections after each response."
    )
    product_installation: bool = _zserver(
        "enable-product-installation", kinds.BOOLEAN, "Let products install persistent data.", default="off"
    )
    mailinglogger: str | None = _zserver(
        "mailinglogger",
        kinds.TEXT,
        "A ``<mailing-logger>`` section of the event log; it needs mailinglogger 3.",
        "event-log-handler = logging.handlers.SMTPHandler with event-log-args",
    )
    event_log_custom: str | None = _zserver(
        "event-log-custom", kinds.TEXT, "Sections in place of the event log's file.", "event-log-handler"
    )
    access_log_custom: str | None = _zserver(
        "access-log-custom", kinds.TEXT, "Sections in place of the access log's file.", "access-log-handler"
    )
