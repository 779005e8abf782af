"""The storages of the main database, as a tree that one recursion renders.

Innermost is where the records are: a FileStorage, a ZEO client, RelStorage, or
memory. Around it, each only where asked for: zlib, blobs, before, demo, and the
user's own wrapper.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from recipe.describe.sections import Section, Wrapped
from recipe.options import kinds
from recipe.options.declare import options_of
from recipe.options.problems import Problems
from recipe.options.storage import Storage

DEFAULT_POOL_SIZE = 7  # ZODB's

# The packages with the ZConfig components of a storage, and the option that asks for it
RELSTORAGE, ZLIB, BEFORE = "relstorage", "zc.zlibstorage", "zc.beforestorage"
PACKAGES = {RELSTORAGE: "rel-storage", ZLIB: "zlib-storage", BEFORE: "before-storage"}


@dataclass(frozen=True)
class Storages:
    """A tree of storages and what it needs around it.

    tree         the outermost storage
    imports      packages whose ZConfig components it uses
    directories  to be created, for all to enter
    private      to be created with mode 0700: blobs
    """

    tree: Section | Wrapped
    imports: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


def check(options: Storage, problems: Problems) -> None:
    """Note combinations of options that contradict each other."""
    if options.rel_storage and options.zeo_client:
        problems.error("rel-storage", "excludes zeo-client; leave one of them out")
    if options.zeo_username and not options.zeo_password:
        problems.error("zeo-username", "needs a zeo-password")
    if options.wrapper is not None and options.wrapper.count("%s") != 1:
        problems.error("storage-wrapper", "needs one %s, where the storage goes")
    if options.demo and options.blobs and not options.demo_blobs and not options.before:
        problems.error("demo-storage", "with a blob-storage needs a demo-blob-storage for the blobs of its changes")
    if options.rel_storage and options.blobs:
        problems.warn("blob-storage", "does nothing with rel-storage; write blob-dir into rel-storage")
    for name in ("zeo_username", "min_disconnect_poll", "max_disconnect_poll", "zeo_drop_cache"):
        if getattr(options, name) is not None:
            option = Storage.__dataclass_fields__[name].metadata["option"].name
            problems.warn(option, "is ignored by ZEO 5 and later")


#: Sections of ZConfig for storages that one process only can open, or that are memory of its own.
_OF_ONE_PROCESS = re.compile(r"(?im)^\s*<\s*(filestorage|demostorage|mappingstorage|temporarystorage)\b")

TO_SHARE = "Several processes need ZEO (zeo-client) or RelStorage (rel-storage)."


def check_workers(options: Storage, additional: str, problems: Problems) -> None:
    """Note where several processes cannot have the database open; `additional` is further text for zope.conf."""
    in_file = "a FileStorage can be opened by one process only"
    if not (options.zeo_client or options.rel_storage):
        why = in_file if options.file else "each would have a memory of its own"
        problems.error("workers", f"not with this database: {why}. {TO_SHARE}")
    elif options.demo:
        why = in_file if options.demo_file else "each would have its own changes"
        problems.error("workers", f"not with demo-storage: {why}")
    if options.zeo_cache_name:
        problems.error("workers", "not with zeo-client-client: the cache file can be opened by one process only")
    for option, text in (("storage-wrapper", options.wrapper or ""), ("zope-conf-additional", additional)):
        if found := _OF_ONE_PROCESS.search(text):
            problems.error("workers", f"not with the <{found[1]}> in {option}, which is for one process. {TO_SHARE}")


def read_only(options: Storage) -> bool:
    """Whether nothing can be written: Zope must not be given a first Manager to add then."""
    if options.demo:
        return False
    rel_storage = dict(options.rel_storage).get("read-only", "").lower() in kinds.TRUE
    return bool(options.before) or rel_storage or (options.zeo_client and options.read_only)


def build(options: Storage, var: str, client_home: str) -> Storages:
    """The storages that the options describe."""
    blobs = _default_blobs(options, var) if options.blobs is None else options.blobs
    if options.rel_storage:
        base = _zlib(options.zlib, _relstorage(dict(options.rel_storage)))
    elif options.zeo_client:
        cache = _present(_zeo_var(options, client_home))
        base = Storages(_zeoclient(options, blobs, client_home), directories=cache, private=_present(blobs))
        base = _zlib(options.zlib, base)
    else:
        base = _with_blobs(blobs, _zlib(options.zlib, _records(options.file, blobs)))
    outer = _before(options.before, base)
    if options.demo:
        outer = _demo(options, outer)
    if options.wrapper is not None:
        before, _, after = options.wrapper.partition("%s")
        outer = _around(outer, Wrapped(before.strip(), outer.tree, after.strip()))
    return outer


def _default_blobs(options: Storage, var: str) -> str:
    in_memory = not options.file and not options.zeo_client
    if in_memory or (options.demo and not options.before):
        return ""
    cache_only = options.zeo_client and not options.shared_blob
    return f"{var}/blobcache" if cache_only else f"{var}/blobstorage"


def _present(item: str | None) -> tuple[str, ...]:
    return (item,) if item else ()


def _around(inner: Storages, tree: Section | Wrapped, *imports: str) -> Storages:
    return Storages(tree, (*inner.imports, *imports), inner.directories, inner.private)


def _records(file: str | None, blobs: str | None) -> Storages:
    """A FileStorage, or memory: a DemoStorage, but where blobs come from outside, which it does not take."""
    if not file:
        return Storages(Section("mappingstorage" if blobs else "demostorage"))
    return Storages(Section("filestorage", (("path", file),)), directories=(file.rpartition("/")[0],))


def _zlib(mode: str | None, inner: Storages) -> Storages:
    if mode is None:
        return inner
    keys = (("compress", "true" if mode == "active" else "false"),)
    return _around(inner, Section("zlibstorage", keys, (inner.tree,)), ZLIB)


def _with_blobs(directory: str | None, inner: Storages) -> Storages:
    if not directory:
        return inner
    section = Section("blobstorage", (("blob-dir", directory),), (inner.tree,))
    return Storages(section, inner.imports, inner.directories, (*inner.private, directory))


def _before(time: str | None, inner: Storages) -> Storages:
    if time is None:
        return inner
    return _around(inner, Section("before", (("before", time),), (inner.tree,)), BEFORE)


def _named(tree: Section | Wrapped, name: str) -> Section | Wrapped:
    if isinstance(tree, Wrapped):
        return tree
    return Section(tree.type, tree.keys, tree.sections, name)


def _demo(options: Storage, base: Storages) -> Storages:
    """In-memory changes, or changes kept in a FileStorage or with blobs of their own."""
    if not (options.demo_file or options.demo_blobs):
        return _around(base, Section("demostorage", sections=(base.tree,)))
    changes = _with_blobs(options.demo_blobs, _zlib(options.zlib, _records(options.demo_file, options.demo_blobs)))
    sections = (_named(base.tree, "base"), _named(changes.tree, "changes"))
    return Storages(
        Section("demostorage", sections=sections),
        (*base.imports, *changes.imports),
        (*base.directories, *changes.directories),
        (*base.private, *changes.private),
    )


def _zeo_var(options: Storage, client_home: str) -> str | None:
    """Where the client's cache is kept, if it is."""
    return options.zeo_var or (client_home if options.zeo_cache_name else None)


def _zeoclient(options: Storage, blobs: str, client_home: str) -> Section:
    keys = (
        ("read-only", _word(options.read_only)),
        ("read-only-fallback", _word(options.zeo_read_only_fallback)),
        ("blob-dir", blobs or None),
        ("shared-blob-dir", (("yes" if options.shared_blob else "no") if blobs else None)),
        *(("server", address) for address in options.zeo_address),
        ("storage", options.zeo_storage),
        ("name", "zeostorage"),
        ("cache-size", options.zeo_cache_size),
        ("blob-cache-size", options.zeo_blob_cache_size),
        ("blob-cache-size-check", options.zeo_blob_cache_check),
        ("realm", options.zeo_realm if options.zeo_username else None),
        ("username", options.zeo_username),
        ("password", options.zeo_password if options.zeo_username else None),
        ("var", _zeo_var(options, client_home)),
        ("client", options.zeo_cache_name),
        ("min-disconnect-poll", options.min_disconnect_poll),
        ("max-disconnect-poll", options.max_disconnect_poll),
        ("drop-cache-rather-verify", None if options.zeo_drop_cache is None else _word(options.zeo_drop_cache)),
    )
    return Section("zeoclient", keys)


def _word(flag: bool) -> str:
    return "true" if flag else "false"


def _relstorage(given: dict[str, str]) -> Storages:
    """RelStorage's own keys, and its adapter's in a section of the adapter's type."""
    kind = given.pop("type", "postgresql")
    own = {key: text for key, text in given.items() if _is_relstorage_key(key)}
    adapter = {key: text for key, text in given.items() if key not in own}
    pragmas = {key.removeprefix("pragmas-"): adapter.pop(key) for key in list(adapter) if key.startswith("pragmas-")}
    data = _present(adapter.get("data-dir"))
    if kind == "postgresql" and "dsn" not in adapter:
        adapter = {"dsn": _dsn(adapter)} | {k: v for k, v in adapter.items() if k not in DSN_KEYS}
    sections = (Section("pragmas", tuple(pragmas.items())),) if pragmas else ()
    section = Section("relstorage", tuple(own.items()), (Section(kind, tuple(adapter.items()), sections),))
    return Storages(section, (RELSTORAGE,), directories=data, private=_present(own.get("blob-dir")))


def checked(tree: Section | Wrapped) -> Iterator[tuple[Section, dict[str, str]]]:
    """The sections of a tree whose keys come from options, each with the options of its keys.

    The one for all other keys is under the empty name.
    """
    if isinstance(tree, Wrapped):
        yield from checked(tree.section)
    elif tree.type == "relstorage":
        yield tree, {"": "rel-storage"}
    elif tree.type == "zeoclient":
        names = {option.name for option in options_of(Storage).values()}
        likely = [(key, name) for key, _ in tree.keys for name in (key, f"zeo-{key}", f"zeo-client-{key}")]
        yield tree, {"": "zeo-client"} | {key: name for key, name in likely if name in names}
    else:
        for section in tree.sections:
            yield from checked(section)


DSN_KEYS = ("dbname", "user", "host", "port", "password")


def _is_relstorage_key(key: str) -> bool:
    return key in ("name", "revert_when_stale") or ("-" in key and key != "data-dir" and not key.startswith("pragmas-"))


def _dsn(adapter: dict[str, str]) -> str:
    """Libpq's connection string; backslash and quote are escaped as its manual has it (34.1.1)."""
    escaped = {key: text.replace("\\", r"\\").replace("'", r"\'") for key, text in adapter.items() if key in DSN_KEYS}
    return " ".join(f"{key}='{escaped[key]}'" for key in DSN_KEYS if key in escaped)
