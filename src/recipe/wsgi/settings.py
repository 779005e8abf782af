"""The settings in ``[server:main]`` that all servers of this package have.

``listen``
    addresses (see `recipe.common.address`), separated by white space. They are bound immediately, so that a port that
    is in use is reported before Zope starts, and listen when the application is loaded.
``fast-listen``
    addresses that listen immediately; clients wait until the application is loaded.
``graceful_timeout``
    seconds that requests in progress get when the server stops; default: 30.
``workers``
    number of processes that serve; default: 1.
``warm_up``
    paths, separated by white space, that a server requests of its own application before it takes the place of another
    one; default: ``/``.
``preload``
    whether the application is loaded once for all workers; default: true.

The settings in `SHARED` are those of waitress, with its values and defaults. All others are the server's own.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from waitress.adjustments import Adjustments, asbool

from recipe.common import address
from recipe.common.errors import StartError
from recipe.common.names import GRACEFUL_TIMEOUT
from recipe.common.servers import SHARED
from recipe.wsgi.sockets import FAMILIES, Listener, bind


class Settings(NamedTuple):
    """The settings in ``[server:main]``."""

    #: addresses, and whether each listens immediately
    addresses: list[tuple[address.Address, bool]]
    #: the settings in `SHARED`; for waitress, all of its settings
    adjustments: Adjustments
    graceful_timeout: float
    workers: int = 1
    #: the maximum size of a request's head, in bytes, if it was given
    header_size: int | None = None
    #: the server's own settings, as text
    own: Mapping[str, str] = {}
    #: the path of the PasteDeploy file
    file: str = ""
    #: paths that a server requests of its own application before it takes the place of another one
    warm_up: tuple[str, ...] = ("/",)
    #: whether the application is loaded once for all workers
    preload: bool = True


def read_section(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
    """Read the settings of any server but waitress, and do nothing else.

    Raises StartError if a shared setting is wrong, or if there is no address.
    """
    rest, common = read_common(global_conf, settings)
    shared = {key: rest.pop(key) for key in SHARED if key in rest}
    adjusted = read_adjustments(shared)
    header_size = adjusted.max_request_header_size if "max_request_header_size" in shared else None
    return Settings(adjustments=adjusted, header_size=header_size, own=rest, **common)


#: The former name, which servers of other distributions import.
read = read_section


def read_common(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the settings that are a server's own, and, as fields of `Settings`, those that all servers have.

    Raises StartError.
    """
    # 9.1.0 wrote both `use` and `paste.server_factory`; the latter is then passed as a setting
    rest = {k: v for k, v in settings.items() if not k.startswith("paste.")}
    timeout = rest.pop("graceful_timeout", None)
    timeout = global_conf.get("graceful_timeout") or timeout  # the command line takes precedence
    late = _addresses(rest.pop("listen", "")) + _waitress_address(rest)
    early = _addresses(rest.pop("fast-listen", "")) + _addresses(rest.pop("fast_listen", ""))
    if not (late or early):
        raise StartError("[server:main] has no address; set listen or fast-listen")
    addresses = [(parsed, False) for parsed in late] + [(parsed, True) for parsed in early]
    return rest, {
        "addresses": addresses,
        "graceful_timeout": _seconds(timeout),
        "workers": _workers(rest.pop("workers", "")),
        "warm_up": tuple(rest.pop("warm_up", "/").split()),
        "preload": asbool(rest.pop("preload", "true")),
        "file": global_conf.get("__file__", ""),
    }


def bind_all(settings: Settings) -> list[Listener]:
    """Bind the addresses. Raises StartError if one cannot be bound; no socket is left open then."""
    adjusted = settings.adjustments
    listeners: list[Listener] = []
    try:
        for parsed, early in settings.addresses:
            listeners += bind(
                parsed,
                early=early,
                backlog=adjusted.backlog,
                permissions=adjusted.unix_socket_perms,
                families=[family for family, on in zip(FAMILIES, (adjusted.ipv4, adjusted.ipv6), strict=True) if on],
            )
    except StartError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def read_adjustments(settings: Mapping[str, str]) -> Adjustments:
    """Return waitress's reading of some of its settings. Raises StartError."""
    try:
        # An address for all families: waitress refuses its own default if `ipv4` is off
        return Adjustments(**({"listen": "*:0"} | dict(settings)))
    except (ValueError, TypeError) as error:
        raise StartError(f"[server:main]: {error}") from None


def _addresses(text: str) -> list[address.Address]:
    # waitress accepts commas, too
    try:
        return [address.parse(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise StartError(f"[server:main] listen: {error}") from None


def _waitress_address(settings: dict[str, str]) -> list[address.Address]:
    """Remove waitress's own settings for an address from `settings`; return the address."""
    if path := settings.pop("unix_socket", ""):
        return _addresses(f"unix:{path}")
    host, port = settings.pop("host", ""), settings.pop("port", "")
    if not (host or port):
        return []
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return _addresses(f"{host or '0.0.0.0'}:{port or '8080'}")


def _seconds(text: str | None) -> float:
    if not text:
        return GRACEFUL_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise StartError(f"[server:main] graceful_timeout: {text!r} is not a number of seconds")
    return seconds


def _workers(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or int(text) < 1:
        raise StartError(f"[server:main] workers: {text!r} is not a positive whole number")
    return int(text)
