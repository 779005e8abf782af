"""The listening sockets of several workers, and to which worker the system leads a client."""

import mmap
import sys

from recipe.wsgi.sockets import Listener, lead, siblings


class SharedSockets:
    """All workers accept from the same sockets: whoever is free takes the next client."""

    def __init__(self, listeners: list[Listener], workers: int, backlog: int) -> None:
        #: the sockets of all workers
        self.listeners = listeners
        self.workers = workers
        self.backlog = backlog

    def of(self, number: int) -> list[Listener]:
        """Return the sockets of a worker; its successor has the same."""
        return self.listeners

    def listen(self, number: int) -> None:
        """Let clients connect, in a worker that is about to serve. Raises StartError."""
        for listener in self.listeners:
            listener.listen(self.backlog)

    def note(self, number: int, serves: bool) -> None:
        """Say whether a worker takes clients; all processes hear of it."""

    def lead(self) -> None:
        """Lead clients to the workers that take them. One process does this, and calls it often."""

    def leave(self, number: int) -> None:
        """Where nobody can be led, leave the clients of a worker that has ended to the others."""

    def unserved(self) -> list[Listener]:
        """Return those at which nobody but the caller, a worker that ends, would see to clients."""
        return self.listeners


class OwnSockets(SharedSockets):
    """Each worker has sockets of its own: of shared ones, a server that accepts all who wait leaves none to the others.

    The kernel draws among those that serve (`recipe.wsgi.sockets.lead`). Who is at the socket of one that has ended
    waits for its successor. A unix socket is shared all the same.
    """

    def __init__(self, listeners: list[Listener], workers: int, backlog: int) -> None:
        """Raise StartError where the system has no more sockets for an address."""
        super().__init__(listeners, workers, backlog)
        each = [siblings(listener, backlog, workers) for listener in listeners]
        self.listeners = list(dict.fromkeys(one for group in each for one in group))
        self._groups = [group for group in each if not group[0].is_unix]
        self._of = [list(one) for one in zip(*each, strict=True)]
        #: for each worker a byte, shared with all of them
        self._serving = mmap.mmap(-1, workers)
        self._led: list[int] | None = None  # to whom clients are led
        self._leads = True  # whether the system leads them

    def of(self, number: int) -> list[Listener]:
        """As `SharedSockets`."""
        return self._of[number]

    def listen(self, number: int) -> None:
        """As `SharedSockets`."""
        if not any(self._serving[:]):
            # The others have yet to load, and the master looks again only later
            self._lead_to([number])
        # Whoever comes first, all of them: the system counts them in this order
        for listener in self.listeners if self._leads else self.of(number):
            listener.listen(self.backlog)

    def note(self, number: int, serves: bool) -> None:
        """As `SharedSockets`."""
        self._serving[number] = serves

    def lead(self) -> None:
        """As `SharedSockets`."""
        # Where nobody serves, to one: at the others' sockets, clients would wait until these have loaded, too
        serving = [number for number in range(self.workers) if self._serving[number]] or [0]
        if serving != self._led:
            self._led = serving
            self._lead_to(serving)

    def _lead_to(self, numbers: list[int]) -> None:
        self._leads = self._leads and all(lead(group, numbers) for group in self._groups)

    def unserved(self) -> list[Listener]:
        """As `SharedSockets`."""
        numbers = (number for number in range(self.workers) if not self._serving[number])
        return list(dict.fromkeys(one for number in numbers for one in self.of(number)))

    def leave(self, number: int) -> None:
        """As `SharedSockets`."""
        if not self._leads:
            for listener in self.of(number):
                listener.leave_to_siblings()


#: For a server that accepts all who wait. Elsewhere SO_REUSEPORT does not spread clients.
Spread: type[SharedSockets] = OwnSockets if sys.platform == "linux" else SharedSockets
