"""A Zope add-on of the tests: views of the root that write and read objects and blobs.

An entry has a key ``WRITER/NUMBER``. Each writer has a tree of its own, so that writers do not
conflict, and writing an entry twice is the same as writing it once.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from BTrees.OOBTree import OOBTree
from Products.Five.browser import BrowserView
from zExceptions import NotFound
from ZODB.blob import Blob
from ZPublisher.Iterators import filestream_iterator


class Ledger(BrowserView):
    """The entries of one database: that of the object whose view this is."""

    def _entries(self) -> Any:
        return self.context._p_jar.root().get("ledger", {})

    def write(self, key: str, value: str, blob: str = "") -> str:
        """Set an entry; its value, or that of a blob where `blob` is not empty."""
        root = self.context._p_jar.root()
        entries = root.setdefault("ledger", OOBTree())
        writer, _, number = key.partition("/")
        if writer not in entries:
            entries[writer] = OOBTree()
        entries[writer][number] = Blob(value.encode()) if blob else value
        return "written"

    def count(self, key: str) -> str:
        """Count one up at an entry, and return how many there are: doing it twice is not the same as once."""
        done = int(self.read(key)) if key in self.keys().split() else 0
        self.write(key, str(done + 1))
        return str(done + 1)

    def upload(self) -> str:
        """Make a blob of the request's body, as it comes."""
        blob = self.context._p_jar.root()["upload"] = Blob()
        with blob.open("w") as file:
            shutil.copyfileobj(self.request.BODYFILE, file)
            return str(file.tell())

    def download(self) -> Any:
        """Return that blob, as it lies on the disk."""
        path = self.context._p_jar.root()["upload"].committed()
        self.request.response.setHeader("Content-Length", str(os.path.getsize(path)))
        return filestream_iterator(path, "rb")

    def process(self) -> str:
        """Return the id of the process that serves."""
        return str(os.getpid())

    def read(self, key: str) -> str:
        """Return an entry; 404 where there is none."""
        writer, _, number = key.partition("/")
        try:
            found = self._entries()[writer][number]
        except KeyError:
            raise NotFound(key) from None
        if not isinstance(found, Blob):
            return str(found)
        with found.open("r") as file:
            return str(file.read().decode())

    def keys(self) -> str:
        """Return the keys of all entries, one a line."""
        entries = self._entries()
        return "\n".join(f"{writer}/{number}" for writer in entries for number in entries[writer])

    def setting(self, name: str) -> str:
        """Return an option of RelStorage, as the storage has it."""
        return str(getattr(self.context._p_jar.db().storage._options, name))

    def pool(self) -> str:
        """Return what the database has been set to."""
        database = self.context._p_jar.db()
        return f"{database.getPoolSize()} {database.pool.timeout} {database.large_record_size}"
