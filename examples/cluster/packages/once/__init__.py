"""Each request is carried out once, however often a proxy sends it.

The proxy numbers the requests: ``X-Request-ID: SECONDS-UUID``, the seconds since the epoch. What a request
writes goes into the database together with its answer, under that number, in one transaction. So who is
killed before has written nothing, and the proxy may send the request again; who is killed after has written
both, and the next one finds the answer. Two that carry it out at the same time write to the same object: one
of them gets a ConflictError, begins anew, and finds the answer of the other.

It holds for what is in the transaction: not for a method that commits by itself, or sends mail at once.
"""

import random
import re
import time
import zlib

import transaction
from BTrees.OOBTree import OOBTree

NUMBER = re.compile(r"\d{10}-[0-9a-f-]{36}")

#: Seconds for which an answer is kept, and the number of objects that hold them, so that few writers meet.
KEPT, SHARDS = 600, 64

#: The longest answer that is kept, in bytes.
LONGEST = 1 << 20


class Answered(Exception):  # noqa: N818 - it is no error
    """The request has been carried out; the arguments are its answer."""


class Answer:
    """The view of the exception: the answer once more."""

    def __init__(self, answered, request):
        self.answered = answered
        self.response = request.response

    def __call__(self):
        """Give the response what the other one had; return its body."""
        status, headers, more, cookies, body = self.answered.args
        self.response.setStatus(status)
        self.response.headers.update(headers)
        self.response.accumulated_headers.extend(more)
        self.response.cookies.update(cookies)
        return body


def look(event):
    """Answer a request that has been carried out. Called when it is known who asks, and that they may."""
    number = _number(event.request)
    shards = number and _root(event.request).get("once")
    if shards and (answer := _shard(shards, number).get(number)):
        raise Answered(*answer)


def keep(event):
    """Keep the answer to a request that writes. Called before the commit."""
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
    """Return the number of a request; nothing where it has none."""
    number = request.environ.get("HTTP_X_REQUEST_ID", "")
    return number if NUMBER.fullmatch(number) else ""


def _root(request):
    return request["PARENTS"][-1]._p_jar.root()


def _shard(shards, number):
    return shards[zlib.crc32(number.encode()) % SHARDS]


def _answer(response):
    body = response.body
    if not isinstance(body, bytes) or len(body) > LONGEST or response.stdout.getvalue():
        return 500, {"content-type": "text/plain"}, [], {}, b"This was done; its answer is lost."
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    cookies = {name: dict(cookie) for name, cookie in response.cookies.items()}
    return response.getStatus(), headers, list(response.accumulated_headers), cookies, body
