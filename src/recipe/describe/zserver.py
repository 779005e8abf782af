"""Completes and checks the options of an instance under ZServer. This module is pure."""

from collections.abc import Mapping
from dataclasses import replace

from recipe.common.address import Address
from recipe.common.problems import Problems
from recipe.describe.waitress_settings import PREFIX
from recipe.options import Settings
from recipe.options.declare import options_of
from recipe.options.server import Server

#: Commands that make an environment of Python 2.7; docs/how-to/zserver.rst has them as well.
COMMANDS = (
    "pipx run --spec 'virtualenv<20.22' virtualenv --python python2.7 zserver",
    "zserver/bin/pip install Zope==4.8.11 ZServer==4.0.2 ZEO",
)
PYTHON_WANTED = (
    "wsgi = off needs the path of a Python 2.7 in which ZServer is installed. These commands make one: "
    f"{'; '.join(COMMANDS)}. Then set zserver-python = zserver/bin/python"
)


def settled(settings: Settings, part: Mapping[str, str], problems: Problems) -> Settings:
    """Return the settings of an instance under ZServer; their mistakes go to `problems`."""
    _check(settings, part, problems)
    server, zserver = settings.server, settings.zserver
    threads = server.threads
    if zserver.old_threads is not None:
        problems.warn("zserver-threads", "is the old name of threads; use threads instead")
        if not options_of(Server)["threads"].given(part):
            threads = zserver.old_threads
    return replace(
        settings,
        server=replace(server, threads=threads, addresses=_ipv4(server.addresses)),
        zserver=replace(zserver, ftp=_ipv4(zserver.ftp), icp=_ipv4(zserver.icp), webdav=_ipv4(zserver.webdav)),
        # pip has installed the scripts of the eggs
        scripts=replace(settings.scripts, scripts=""),
    )


#: Host names with their IPv4 addresses: ZServer uses the first address of a name, and fails if that is ``::1``.
IPV4 = {"*": "0.0.0.0", "localhost": "127.0.0.1"}


def _ipv4(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    return tuple(replace(address, host=IPV4.get(address.host, address.host)) for address in addresses)


def _check(settings: Settings, part: Mapping[str, str], problems: Problems) -> None:
    if not settings.zserver.python:
        problems.error("zserver-python", PYTHON_WANTED)
    _check_addresses("http-address", settings.server.addresses, problems)
    for option in ("ftp", "icp", "webdav"):
        addresses = getattr(settings.zserver, option)
        _check_addresses(f"{option}-address", addresses, problems)
        try:
            _ = [address.shifted(settings.server.port_base) for address in addresses]
        except ValueError as error:
            problems.error("port-base", f"{settings.server.port_base} is too high for {option}-address: {error}")
    _check_logs(settings, problems)
    for key in part:
        if key.startswith(PREFIX):
            problems.warn(key, "does nothing under ZServer")


def _check_addresses(option: str, addresses: tuple[Address, ...], problems: Problems) -> None:
    for address in addresses:
        if address.path or ":" in address.host:
            problems.error(option, f"ZServer cannot listen on {address}. Allowed: a port, host:port or *:port (IPv4).")


def _check_logs(settings: Settings, problems: Problems) -> None:
    zserver = settings.zserver
    logs = (
        ("event-log", settings.event_log, zserver.event_log_custom),
        ("access-log", settings.access_log, zserver.access_log_custom),
    )
    for name, log, custom in logs:
        if custom and not log.file:
            problems.warn(f"{name}-custom", f"does nothing, since {name} = disable")
        if custom and log.max_size:
            problems.warn(f"{name}-max-size", f"does nothing with {name}-custom")
    if zserver.mailinglogger and not settings.event_log.file:
        problems.warn("mailinglogger", "does nothing, since event-log = disable")
