"""Listen on localhost:9000 and print the log records that arrive there.

``logging.handlers.SocketHandler`` sends each record as a pickled dictionary, after its length in
four bytes. Unpickling can run code of the sender, so listen only if you trust every client.
https://docs.python.org/3/howto/logging-cookbook.html#sending-and-receiving-logging-events-across-a-network
"""

import logging
import pickle
import socketserver
import struct

ADDRESS = ("localhost", 9000)


class RecordHandler(socketserver.StreamRequestHandler):
    """A connection that delivers records until the sender closes it."""

    def handle(self) -> None:
        """Print each record."""
        while len(header := self.rfile.read(4)) == 4:
            (length,) = struct.unpack(">L", header)
            record = logging.makeLogRecord(pickle.loads(self.rfile.read(length)))
            print(f"{record.name} {record.levelname} {record.getMessage()}", flush=True)


class Listener(socketserver.ThreadingTCPServer):
    """A server that can be started again at once, and ends even if clients are connected."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Serve until Ctrl-C."""
    with Listener(ADDRESS, RecordHandler) as listener:
        print("Listening on {}:{}".format(*ADDRESS), flush=True)
        try:
            listener.serve_forever()
        except KeyboardInterrupt:
            print("Done")


if __name__ == "__main__":
    main()
