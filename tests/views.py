"""Pages of a Zope under test, which log, raise or tell what a request asks for.

``OPTIONS`` makes the instance of a buildout serve them: ``/say``, ``/fail``, ``/tell`` and ``/stream``.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGES = ("say", "fail", "tell", "stream")

OPTIONS = f"extra-paths = {Path(__file__).parent}\nzcml-additional =\n" + "".join(
    f'    <page xmlns="http://namespaces.zope.org/browser" name="{name}" for="*" class="views.{name.title()}"\n'
    '        permission="zope2.Public"/>\n'
    for name in PAGES
)


class Page:
    """A view."""

    def __init__(self, context: Any, request: Any) -> None:
        self.context = context
        self.request = request


class Say(Page):
    """``/say?text=TEXT&level=LEVEL&logger=NAME`` logs; to root without a name. ``&seconds=N`` lasts."""

    def __call__(self) -> str:
        """Log, and answer."""
        form = self.request.form
        level = logging.getLevelName(form.get("level", "INFO"))
        logging.getLogger(form.get("logger")).log(level, form["text"])
        time.sleep(float(form.get("seconds", 0)))
        return "said"


class Fail(Page):
    """``/fail?text=TEXT`` raises, with all that the client sent in a local variable.

    ``&of=NAME`` makes it one of Zope's exceptions, and ``&first=LEVEL`` lets it log before, once or more.
    """

    def __call__(self) -> str:
        """Raise."""
        import zExceptions  # type: ignore[import-untyped]

        form = dict(self.request.form)
        levels = form.get("first", [])
        for level in [levels] if isinstance(levels, str) else levels:
            logging.getLogger("application").log(logging.getLevelName(level), "logged as %s", level)
        kind = getattr(zExceptions, form.get("of", ""), RuntimeError)
        raise kind(form.get("text", "failed"))


class Tell(Page):
    """``/tell`` answers with what Zope knows of the request, as JSON."""

    def __call__(self) -> str:
        """Tell the client's address, and the URL by which it came."""
        request = self.request
        self.request.response.setHeader("Content-Type", "application/json")
        names = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST")
        known = {name: request.environ.get(name) for name in names}
        return json.dumps(known | {"url": request.get("URL"), "client": request.getClientAddr()})


class Stream(Page):
    """``/stream`` answers with blocks that are made while they are sent."""

    def __call__(self) -> Any:
        """Answer with the iterator."""
        from zope.interface import directlyProvides
        from ZPublisher.Iterators import IUnboundStreamIterator  # type: ignore[import-untyped]

        blocks = Blocks()
        directlyProvides(blocks, IUnboundStreamIterator)
        return blocks


class Blocks:
    """Three blocks."""

    left = 3

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"block\n"
