"""A ZEO client that falls back to a read-only server, and returns to a server that can be written to.

ZEO's own client (6.0 to 6.2) has two faults. It tries to connect again only when it has lost all servers: while it is
connected to a read-only server, it never returns to a server that closed the connection during the handshake, as a
server does that is just stopping. And a new client that finds both servers may begin with the read-only one and change
to the other a moment later; the requests that it has sent meanwhile are lost, and Zope does not start.
"""

import asyncio
import random
from typing import Any

import ZEO.asyncio.client as zeo

#: Seconds that a new client waits for a writable server if it has found a read-only one; seconds between two checks.
PREFERENCE, PAUSE = 1.0, 0.02


class ClientIO(zeo.ClientIO):  # type: ignore[misc]
    """ZEO's client, but it tries to connect to each server again."""

    protocols: Any

    def disconnected(self, protocol: Any = None) -> None:
        """Handle the end of the connection `protocol`, and connect again later."""
        super().disconnected(protocol)
        self._try_again(protocol, self.connect_poll)

    def register_failed(self, protocol: Any, exc: Exception) -> None:
        """Handle a server that refuses the client on the connection `protocol`, and connect again later."""
        super().register_failed(protocol, exc)
        self._try_again(protocol, self.register_failed_poll)

    async def await_operational_co(self, timeout: float, init_ok: bool = False) -> None:
        """Wait for a server; if `init_ok`, the client is new, and waits a second for a writable server."""
        await super().await_operational_co(timeout, init_ok)
        if init_ok and self.read_only is zeo.Fallback:
            end = self.loop.time() + PREFERENCE
            while self.trying_to_connect() and self.loop.time() < end:
                await asyncio.sleep(PAUSE)
            await super().await_operational_co(timeout, init_ok)

    def _try_again(self, protocol: Any, delay: float) -> None:
        if self.read_only is zeo.Fallback and protocol in self.protocols:
            self.loop.call_later(delay + random.random(), self._replace, protocol)

    def _replace(self, protocol: Any) -> None:
        """Replace a closed connection by a new one, unless ZEO connects to all servers again."""
        any_open = any(not other.closed for other in self.protocols)
        if any_open and protocol in self.protocols and self.trying_to_connect() and not self.closed:
            new = zeo.Protocol(
                self.loop,
                protocol.addr,
                self,
                self.storage_key,
                self.read_only,
                self.connect_poll,
                ssl=self.ssl,
                ssl_server_hostname=self.ssl_server_hostname,
            )
            self.protocols = [new if old is protocol else old for old in self.protocols]


def use() -> None:
    """Use this class for the ZEO clients that are made from now on."""
    zeo.ClientIO = ClientIO
