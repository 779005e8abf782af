"""The storages of the main database, as a tree that one recursion renders.

Innermost is the base, which holds the records (see `recipe.describe.bases`). Around it, each only if the part asks for
it: zlib, blobs, before, demo, and the user's own wrapper.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from recipe.common.problems import Problems
from recipe.describe import bases
from recipe.describe.bases import BASES, FILE_STORAGE, Blobs, Storages, base_of
from recipe.describe.sections import Key, Section, Wrapped
from recipe.options.declare import options_of
from recipe.options.storage import Storage

DEFAULT_POOL_SIZE = 7  # ZODB's


def check(options: Storage, part: Mapping[str, str], problems: Problems) -> None:
    """Note combinations of options that contradict each other, and options that have no effect."""
    contradictions = bases.contradictions(options)
    for base, other in contradictions:
        problems.error(base.option, f"cannot be combined with {other.option}; remove one of them")
    # If the base is not known, no option belongs to another one
    if not contradictions and not any(problems.is_wrong(base.option) for base in BASES if base is not FILE_STORAGE):
        _note_idle(options, part, problems)
    if options.demo and options.blobs and not options.demo_blobs and not options.before:
        problems.error(
            "demo-storage",
            "needs a directory for the blobs of its changes, since blob-storage is set; set demo-blob-storage",
        )
    has_password = options.zeo_password or problems.is_wrong("zeo-password")
    if options.zeo_username and not has_password:
        problems.error(
            "zeo-username", "has no zeo-password; set it as well, or remove both: ZEO 5 and later ignore them"
        )
    ignored = ("zeo_username", "min_disconnect_poll", "max_disconnect_poll", "zeo_drop_cache")
    for name in ignored if options.zeo_client else ():
        option = options_of(Storage)[name].name
        if getattr(options, name) is not None and not problems.is_wrong(option):
            problems.warn(option, "is ignored by ZEO 5 and later; remove it")


def _note_idle(options: Storage, part: Mapping[str, str], problems: Problems) -> None:
    """Note options that belong to another base than the one that is chosen, or to something that is off."""
    chosen = base_of(options)
    declared = {option.name: option for option in options_of(Storage).values()}
    for base in BASES:
        for name in base.options if base.option != chosen.option else ():
            # An empty value says that there is to be none
            if part.get(name, "").strip() and name not in chosen.options:
                reason = f"does nothing with {chosen.title}; it is for {base.title} ({base.option})"
                problems.set_idle(name, reason, warn=declared[name].is_changed(part))
    if chosen.blobs is Blobs.OWN and part.get("blob-storage", "").strip():
        problems.set_idle("blob-storage", f"does nothing with {chosen.option}; set {chosen.blobs_option} instead")
    for switch, names in SWITCHES.items():
        if not bases.value(options, switch) and not problems.is_wrong(switch):
            for name in names:
                problems.set_idle(name, f"does nothing without {switch}", warn=False)


#: Options, and those that do nothing without them.
SWITCHES = {
    "demo-storage": ("demo-file-storage", "demo-blob-storage"),
    "zeo-username": ("zeo-password", "zeo-realm"),
}


#: Sections of ZConfig for storages that one process only can open, or that are memory of its own.
_OF_ONE_PROCESS = re.compile(r"(?im)^\s*<\s*(filestorage|demostorage|mappingstorage|temporarystorage)\b")


def check_workers(options: Storage, additional: str, problems: Problems) -> None:
    """Note where several processes cannot have the database open; `additional` is further text for zope.conf."""
    base = base_of(options)
    titles = [f"{each.title} ({each.option})" for each in BASES if not each.one_process]
    to_share = f"Use {' or '.join(titles)}, or set workers = 1."
    if base.one_process:
        problems.error("workers", f"cannot be above 1 with {base.title}: {base.one_process}. {to_share}")
    elif options.demo:
        why = FILE_STORAGE.one_process if options.demo_file else "each process would have its own changes"
        problems.error("workers", f"cannot be above 1 with demo-storage: {why}. Remove one of them.")
    for option, why in base.one_process_with.items():
        if bases.value(options, option):
            problems.error("workers", f"cannot be above 1 with {option}: {why}. Remove one of them.")
    for option, text in (("storage-wrapper", "".join(options.wrapper or ())), ("zope-conf-additional", additional)):
        if section := _OF_ONE_PROCESS.search(text):
            problems.error(
                "workers",
                f"cannot be above 1 with the <{section[1]}> in {option}, which only one process can use. {to_share}",
            )


def read_only(options: Storage) -> bool:
    """Whether nothing can be written: Zope must not be given a first Manager to add then."""
    return not options.demo and (bool(options.before) or base_of(options).read_only(options))


def build(options: Storage, var: str, client_home: str) -> Storages:
    """The storages that the options describe."""
    base = base_of(options)
    blobs = _default_blobs(options, var) if options.blobs is None else options.blobs
    inner = base.build(options, blobs, client_home)
    tree = replace(inner.tree, option=base.option)
    inner = _around(inner, tree, *((package, base.option) for package in base.packages))
    inner = _zlib(options.zlib, inner)
    if base.blobs is Blobs.AROUND:
        inner = _with_blobs(blobs, "blob-storage", inner)
    outer = _before(options.before, inner)
    if options.demo:
        outer = _demo(options, outer)
    if options.wrapper is not None:
        before, after = options.wrapper
        outer = _around(outer, Wrapped(before.strip(), outer.tree, after.strip(), "storage-wrapper"))
    return outer


def _default_blobs(options: Storage, var: str) -> str:
    directory = base_of(options).blobs_in_var(options)
    if not directory or (options.demo and not options.before):
        return ""
    return f"{var}/{directory}"


def _around(inner: Storages, tree: Section | Wrapped, *imports: tuple[str, str]) -> Storages:
    return Storages(tree, (*inner.imports, *imports), inner.directories, inner.private)


def _zlib(mode: str | None, inner: Storages) -> Storages:
    if mode is None:
        return inner
    keys = (Key("compress", "true" if mode == "active" else "false"),)
    section = Section("zlibstorage", keys, (inner.tree,), option="zlib-storage")
    return _around(inner, section, ("zc.zlibstorage", "zlib-storage"))


def _with_blobs(directory: str | None, option: str, inner: Storages) -> Storages:
    if not directory:
        return inner
    section = Section("blobstorage", (Key("blob-dir", directory),), (inner.tree,), option=option)
    return Storages(section, inner.imports, inner.directories, (*inner.private, directory))


def _before(time: str | None, inner: Storages) -> Storages:
    if time is None:
        return inner
    section = Section("before", (Key("before", time),), (inner.tree,), option="before-storage")
    return _around(inner, section, ("zc.beforestorage", "before-storage"))


def _named(tree: Section | Wrapped, name: str) -> Section | Wrapped:
    if isinstance(tree, Wrapped):
        return tree
    return Section(tree.type, tree.keys, tree.sections, name, tree.option)


def _demo(options: Storage, base: Storages) -> Storages:
    """In-memory changes, or changes kept in a FileStorage or with blobs of their own."""
    if not (options.demo_file or options.demo_blobs):
        return _around(base, Section("demostorage", sections=(base.tree,), option="demo-storage"))
    file, blobs = options.demo_file, options.demo_blobs
    records = bases.filestorage(file, "demo-file-storage") if file else bases.memory(blobs or "")
    changes = _with_blobs(blobs, "demo-blob-storage", _zlib(options.zlib, records))
    sections = (_named(base.tree, "base"), _named(changes.tree, "changes"))
    return Storages(
        Section("demostorage", sections=sections, option="demo-storage"),
        (*base.imports, *changes.imports),
        (*base.directories, *changes.directories),
        (*base.private, *changes.private),
    )


def checked(tree: Section | Wrapped) -> Iterator[Section]:
    """The sections of the bases in a tree: their keys come from the user, and the installed packages must know them."""
    if isinstance(tree, Wrapped):
        yield from checked(tree.section)
    elif tree.option in {base.option for base in BASES}:
        yield tree
    else:
        for section in tree.sections:
            yield from checked(section)
