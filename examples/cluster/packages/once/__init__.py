"""Carry out each request once, however often a proxy sends it.

The proxy numbers the requests: ``X-Request-ID: SECONDS-UUID`` (seconds since the epoch). The changes of a
request and its response are stored in the database in one transaction, the response under that number. If
the instance is killed before the commit, nothing is stored, and the proxy can send the request again. If it
is killed after the commit, both are stored, and the next instance finds the response. If two instances carry
out the request at the same time, they write to the same object. One of them gets a ConflictError, starts
again, and finds the response of the other.

This covers only the transaction. It does not cover a method that commits by itself or sends mail at once.
"""

import random
import re
import time
import zlib

import transaction
from BTrees.OOBTree import OOBTree

NUMBER = re.compile(r"\d{10}-[0-9a-f-]{36}")

#: Seconds for which a response is kept, and the number of objects that hold responses, so that conflicts are rare.
KEPT, SHARDS = 600, 64

#: The longest response body that is kept, in bytes.
LONGEST = 1 << 20


class Answered(Exception):  # noqa: N818 - it is not an error
    """The request has been carried out; the arguments are its response."""


class Answer:
    """The view of the exception: it sends the response again."""

    def __init__(self, answered, request):
        self.answered = answered
        self.response = request.response

    def __call__(self):
        """Copy the stored response into this one; return its body."""
        status, headers, more, cookies, body = self.answered.args
        self.response.setStatus(status)
        self.response.headers.update(headers)
        self.response.accumulated_headers.extend(more)
        self.response.cookies.update(cookies)
        return body


def look(event):
    """Answer a request that has been carried out. Called after the client has been authorized."""
    number = _number(event.request)
    shards = number and _root(event.request).get("once")
    if shards and (answer := _shard(shards, number).get(number)):
        raise Answered(*answer)


def keep(event):
    """Store the response to a request that writes. Called before the commit."""
    number = _number(event.request)
    if not number or not transaction.get()._resources:
        return
    root = _root(event.request)
    if "once" not in root:
        root["once"] = tuple(OOBTree() for _ in range(SHARDS))
    answers = _shard(root["once"], number)
    answers[number] = _answer(event.request.response)
    if random.random() < 0.05:
        for old in list(answers.keys(max=str(int(time.time()) - KEPT))):
            del answers[old]


def _number(request):
    """Return the number of a request; empty if it has none."""
    number = request.environ.get("HTTP_X_REQUEST_ID", "")
    return number if NUMBER.fullmatch(number) else ""


def _root(request):
    return request["PARENTS"][-1]._p_jar.root()


def _shard(shards, number):
    return shards[zlib.crc32(number.encode()) % SHARDS]


def _answer(response):
    body = response.body
    if not isinstance(body, bytes) or len(body) > LONGEST or response.stdout.getvalue():
        return 500, {"content-type": "text/plain"}, [], {}, b"The request was carried out; its response is not stored."
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    cookies = {name: dict(cookie) for name, cookie in response.cookies.items()}
    return response.getStatus(), headers, list(response.accumulated_headers), cookies, body
