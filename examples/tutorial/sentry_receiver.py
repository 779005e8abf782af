"""Take the place of Sentry: listen on localhost:9000 and print the errors that arrive.

The SDK posts an envelope: lines of JSON, compressed with gzip. After the header of the envelope,
each item has two lines, a header and the payload.
https://develop.sentry.dev/sdk/foundations/transport/envelopes/
"""

import gzip
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

ADDRESS = ("localhost", 9000)


class Receiver(BaseHTTPRequestHandler):
    """A request with one envelope."""

    def do_POST(self) -> None:
        """Print the errors of each event in the envelope."""
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
        """Do not print the requests."""


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
