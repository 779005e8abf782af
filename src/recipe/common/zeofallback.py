"""A ZEO client that may fall back to a read-only server, and gets to the other one again.

ZEO's own (6.2) tries a server again only when it has lost all of them: once connected to a read-only one,
it never returns to a server whose connection broke off while it was made, as a server's does that is just
stopping. And one that finds both when it is new may begin with the read-only one, and lose what it has
asked there when it changes over a moment later: Zope does not start then.
"""

import asyncio
import random
from typing import Any

import ZEO.asyncio.client as zeo

#: Seconds that a new client takes for a server to write to, where it has found a read-only one; between two looks.
PREFERENCE, PAUSE = 1.0, 0.02


class ClientIO(zeo.ClientIO):  # type: ignore[misc]
    """As ZEO's, but it tries each server again."""

    protocols: Any

    def disconnected(self, protocol: Any = None) -> None:
        """As ZEO's; `protocol`: the connection that broke off."""
        super().disconnected(protocol)
        self._try_again(protocol, self.connect_poll)

    def register_failed(self, protocol: Any, exc: Exception) -> None:
        """As ZEO's; `protocol`: the connection on which the server refused."""
        super().register_failed(protocol, exc)
        self._try_again(protocol, self.register_failed_poll)

    async def await_operational_co(self, timeout: float, init_ok: bool = False) -> None:
        """As ZEO's; `init_ok`: the client is new."""
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
        """Make a connection in the place of one that broke off, unless ZEO begins anew with all of them."""
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
    """Let the ZEO clients that are made from now on be such."""
    zeo.ClientIO = ClientIO
