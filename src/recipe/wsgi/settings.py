"""What ``[server:main]`` says, in the words that all servers of ours share.

``listen``
    addresses (see `recipe.common.address`), white space between; bound at once, so that a taken port
    is told before Zope starts up, and open to clients once the application is there.
``fast-listen``
    the same, but open at once: clients wait until the application is there.
``graceful_timeout``
    seconds that requests under way get to finish when the server is told to stop; 30.
``workers``
    processes that serve; 1.

The others of `SHARED` are waitress's, with its values and its defaults. What is none of these is
the server's own.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from waitress.adjustments import Adjustments

from recipe.common import address
from recipe.common.errors import StartError
from recipe.common.servers import SHARED
from recipe.wsgi.sockets import FAMILIES, Listener, bind

GRACEFUL_TIMEOUT = 30.0


class Settings(NamedTuple):
    """What ``[server:main]`` says."""

    #: addresses, and whether each is open at once
    addresses: list[tuple[address.Address, bool]]
    #: those of `SHARED`, or all of waitress's
    adjustments: Adjustments
    graceful_timeout: float
    workers: int = 1
    #: the largest head of a request, in bytes, where one is given
    header_size: int | None = None
    #: the server's own, as text
    own: Mapping[str, str] = {}
    #: the PasteDeploy file
    file: str = ""


def read_section(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
    """Read the settings of a server that is not waitress, and do nothing yet.

    Raises StartError where one that is shared is wrong, or no address is among them.
    """
    rest, addresses, timeout = read_common(global_conf, settings)
    workers = _workers(rest.pop("workers", ""))
    shared = {key: rest.pop(key) for key in SHARED if key in rest}
    adjusted = read_adjustments(shared)
    header_size = adjusted.max_request_header_size if "max_request_header_size" in shared else None
    return Settings(addresses, adjusted, timeout, workers, header_size, rest, global_conf.get("__file__", ""))


#: The former name, which servers of other distributions import.
read = read_section


def read_common(
    global_conf: Mapping[str, str], settings: Mapping[str, str]
) -> tuple[dict[str, str], list[tuple[address.Address, bool]], float]:
    """Return what is left of the settings without addresses and graceful timeout, and these.

    Raises StartError.
    """
    # 9.1.0 wrote `use` and `paste.server_factory` both; the second one comes as a setting then.
    rest = {k: v for k, v in settings.items() if not k.startswith("paste.")}
    timeout = rest.pop("graceful_timeout", None)
    timeout = global_conf.get("graceful_timeout") or timeout  # the command line wins
    late = _addresses(rest.pop("listen", "")) + _waitress_address(rest)
    early = _addresses(rest.pop("fast-listen", "")) + _addresses(rest.pop("fast_listen", ""))
    if not (late or early):
        raise StartError("[server:main] has no address: give it listen or fast-listen")
    addresses = [(parsed, False) for parsed in late] + [(parsed, True) for parsed in early]
    return rest, addresses, _seconds(timeout)


def bind_all(settings: Settings) -> list[Listener]:
    """Bind the addresses. Raises StartError where one cannot be had; then none is left behind."""
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
        # With an address of either family: its default is none where `ipv4` is off
        return Adjustments(**({"listen": "*:0"} | dict(settings)))
    except (ValueError, TypeError) as error:
        raise StartError(f"[server:main]: {error}") from None


def _addresses(text: str) -> list[address.Address]:
    # waitress takes commas, too
    try:
        return [address.parse(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise StartError(f"[server:main] listen: {error}") from None


def _waitress_address(settings: dict[str, str]) -> list[address.Address]:
    """Take waitress's own settings for an address out of `settings`."""
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
        raise StartError(f"[server:main] graceful_timeout: {text!r} is no number of seconds")
    return seconds


def _workers(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or int(text) < 1:
        raise StartError(f"[server:main] workers: {text!r} is no number of processes")
    return int(text)
