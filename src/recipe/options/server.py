"""The WSGI server, its pipeline, and the options that only ZServer has."""

from dataclasses import dataclass

from recipe.address import Address
from recipe.options import kinds
from recipe.options.declare import Applies, Kind, option


@dataclass(frozen=True)
class Server:
    """The HTTP server and the PasteDeploy pipeline."""

    wsgi: bool | str = option(
        "wsgi",
        kinds.PATH_OR_BOOLEAN,
        "on: waitress. off: ZServer. A path: that PasteDeploy file is used, and none is generated.",
        "on",
    )
    addresses: tuple[Address, ...] = option(
        "http-address",
        kinds.ADDRESSES,
        "Where the server listens: a port, ``host:port``, ``[::1]:8080``, ``*:8080`` (all interfaces, IPv4 and "
        "IPv6), ``unix:/path``, or several of them. Empty: no server section, for an external WSGI server.",
        "0.0.0.0:8080",
        keep_empty=True,
    )
    port_base: int = option("port-base", kinds.NUMBER, "Added to every port.", "0")
    fast_listen: bool = option(
        "http-fast-listen",
        kinds.BOOLEAN,
        "Listen before Zope starts, so that early requests wait instead of being refused.",
        "on",
    )
    threads: int = option("threads", kinds.COUNT, "Worker threads.", "4", zserver_default="2")
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
        "The largest request header; waitress's ``max_request_header_size``.",
        zserver_default="8192",
    )
    pipeline: tuple[str, ...] = option(
        "pipeline",
        kinds.PIPELINE,
        "The PasteDeploy pipeline, in order. ``zope`` is appended where it is missing; ``sentry`` and ``profile`` are "
        "put before it when switched on; ``translogger`` goes when the access log is disabled.",
        "translogger egg:Zope#httpexceptions zope",
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


def _zserver(name: str, kind: Kind[str], doc: str, instead: str = "", **more: str) -> str:
    text: str = option(name, kind, doc, applies=Applies.ZSERVER, instead=instead, **more)
    return text


@dataclass(frozen=True)
class ZServer:
    """What only ZServer has; under WSGI each is a warning."""

    zserver_threads: str | None = _zserver("zserver-threads", kinds.LINE, "The old name of ``threads``.", "threads")
    ip_address: str | None = _zserver("ip-address", kinds.LINE, "The default host of all servers.", "http-address")
    ftp_address: str | None = _zserver("ftp-address", kinds.LINE, "Where the FTP server listens.")
    icp_address: str | None = _zserver("icp-address", kinds.LINE, "Where the ICP server listens.")
    webdav_address: str | None = _zserver("webdav-address", kinds.LINE, "Where the WebDAV source server listens.")
    webdav_force_close: str | None = _zserver(
        "webdav-force-connection-close", kinds.LINE, "Close WebDAV connections after each response."
    )
    http_force_close: str | None = _zserver(
        "http-force-connection-close", kinds.LINE, "Close HTTP connections after each response."
    )
    product_installation: str | None = _zserver(
        "enable-product-installation", kinds.LINE, "Let products install persistent data."
    )
    mailinglogger: str | None = _zserver(
        "mailinglogger",
        kinds.TEXT,
        "A ``<mailing-logger>`` section of the event log.",
        "event-log-handler = logging.handlers.SMTPHandler with event-log-args",
    )
    event_log_custom: str | None = _zserver(
        "event-log-custom", kinds.TEXT, "Sections in place of the event log's file.", "event-log-handler"
    )
    access_log_custom: str | None = _zserver(
        "access-log-custom", kinds.TEXT, "Sections in place of the access log's file.", "access-log-handler"
    )
