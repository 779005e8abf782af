"""The listening sockets of several workers, and to which worker the system leads a client."""

import mmap
import sys

from recipe.wsgi.sockets import Listener, distribute, siblings


class SharedSockets:
    """All workers accept from the same sockets: whoever is free takes the next client."""

    def __init__(self, listeners: list[Listener], workers: int, backlog: int) -> None:
        #: the sockets of all workers
        self.listeners = listeners
        self.workers = workers
        self.backlog = backlog

    def listeners_of(self, number: int) -> list[Listener]:
        """Return the sockets of a worker; its successor has the same."""
        return self.listeners

    def listen(self, number: int) -> None:
        """Let clients connect, in a worker that is about to serve. Raises StartError."""
        for listener in self.listeners:
            listener.listen(self.backlog)

    def set_serving(self, number: int, serves: bool) -> None:
        """Say whether a worker takes clients; all processes hear of it."""

    def distribute(self) -> None:
        """Lead clients to the workers that take them. One process does this, and calls it often."""

    def withdraw(self, number: int) -> None:
        """Where nobody can be led, leave the clients of a worker that has ended to the others."""

    def unserved(self) -> list[Listener]:
        """Return those at which nobody but the caller, a worker that ends, would see to clients."""
        return self.listeners


class OwnSockets(SharedSockets):
    """Each worker has sockets of its own: of shared ones, a server that accepts all who wait leaves none to the others.

    The kernel draws one of the workers that serve (`recipe.wsgi.sockets.distribute`). A client that is connected to the
    socket of a worker that has ended waits for its successor. A unix socket is shared in any case.
    """

    def __init__(self, listeners: list[Listener], workers: int, backlog: int) -> None:
        """Raise StartError where the system has no more sockets for an address."""
        super().__init__(listeners, workers, backlog)
        groups = [siblings(listener, backlog, workers) for listener in listeners]
        self.listeners = list(dict.fromkeys(listener for group in groups for listener in group))
        self._groups = [group for group in groups if not group[0].is_unix]
        self._by_worker = [list(own) for own in zip(*groups, strict=True)]
        #: for each worker a byte, shared with all of them
        self._serving = mmap.mmap(-1, workers)
        self._distributed_to: list[int] | None = None  # to whom clients are led
        self._distributes = True  # whether the system leads them

    def listeners_of(self, number: int) -> list[Listener]:
        """As `SharedSockets`."""
        return self._by_worker[number]

    def listen(self, number: int) -> None:
        """As `SharedSockets`."""
        if not any(self._serving[:]):
            # The others have yet to load, and the master looks again only later
            self._distribute_to([number])
        # Whoever comes first, all of them: the system counts them in this order
        for listener in self.listeners if self._distributes else self.listeners_of(number):
            listener.listen(self.backlog)

    def set_serving(self, number: int, serves: bool) -> None:
        """As `SharedSockets`."""
        self._serving[number] = serves

    def distribute(self) -> None:
        """As `SharedSockets`."""
        # Where nobody serves, to one: at the others' sockets, clients would wait until these have loaded, too
        serving = [number for number in range(self.workers) if self._serving[number]] or [0]
        if serving != self._distributed_to:
            self._distributed_to = serving
            self._distribute_to(serving)

    def _distribute_to(self, numbers: list[int]) -> None:
        self._distributes = self._distributes and all(distribute(group, numbers) for group in self._groups)

    def unserved(self) -> list[Listener]:
        """As `SharedSockets`."""
        numbers = (number for number in range(self.workers) if not self._serving[number])
        return list(dict.fromkeys(listener for number in numbers for listener in self.listeners_of(number)))

    def withdraw(self, number: int) -> None:
        """As `SharedSockets`."""
        if not self._distributes:
            for listener in self.listeners_of(number):
                listener.stop_listening()


#: For a server that accepts all who wait. Elsewhere SO_REUSEPORT does not spread clients.
BalancedSockets: type[SharedSockets] = OwnSockets if sys.platform == "linux" else SharedSockets
