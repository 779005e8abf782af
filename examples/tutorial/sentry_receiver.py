"""Listen on localhost:9000 and print the errors that arrive there, in the place of Sentry.

The SDK posts an envelope: lines of JSON, gzipped. After the envelope's own header each item has
two lines, its header and what it holds.
https://develop.sentry.dev/sdk/foundations/transport/envelopes/
"""

import gzip
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

ADDRESS = ("localhost", 9000)


class Receiver(BaseHTTPRequestHandler):
    """One envelope."""

    def do_POST(self) -> None:
        """Print what an event in it says."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for line in body.splitlines():
            item = json.loads(line)
            for error in item.get("exception", {}).get("values", []):
                print(f"{item['environment']}: {error['type']}: {error['value']}", flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the requests out of what is printed."""


def main() -> None:
    """Serve until Ctrl-C."""
    with HTTPServer(ADDRESS, Receiver) as server:
        print("Listening on {}:{}".format(*ADDRESS), flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Done")


if __name__ == "__main__":
    main()
