"""What can hold the records of the main database: one row in `BASES` for each.

Contradictions, ``workers``, the extra that is installed and the options that do nothing follow from the row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from recipe.describe.sections import Key, Section, Wrapped
from recipe.options import kinds
from recipe.options.declare import options_of
from recipe.options.storage import Storage


@dataclass(frozen=True)
class Storages:
    """A tree of storages and what it needs around it.

    tree         the outermost storage
    imports      packages whose ZConfig components it uses, and the options that need them
    directories  to be created, for all to enter
    private      to be created with mode 0700: blobs
    """

    tree: Section | Wrapped
    imports: tuple[tuple[str, str], ...] = ()
    directories: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


class Blobs(Enum):
    """How a base gets the directory of ``blob-storage``."""

    AROUND = "a <blobstorage> section is put around it"
    INSIDE = "it has a key for the directory"
    OWN = "it has an option of its own for the directory"


def _blobstorage(options: Storage) -> str:
    return "blobstorage"


def _never(options: Storage) -> bool:
    return False


@dataclass(frozen=True)
class Base:
    """A storage that holds records itself.

    option         the option of the part that chooses it, if its value is not empty or off
    title          what messages call it
    build          makes it from the options, the directory of the blobs (empty: none) and the client home
    one_process    why only one process can have it open; empty: several can
    one_process_with  options of it with which only one process can have it open, and why
    blobs          how it gets the directory of the blobs
    blobs_option   for Blobs.OWN: what to write instead of ``blob-storage``
    blobs_in_var   the directory of the blobs within ``var`` if the part names none; empty: no blobs
    packages       packages whose ZConfig components it uses
    extra          the extra of our distribution that brings them
    read_only      whether nothing can be written with these options
    options        the options that mean something for this base only
    """

    option: str
    title: str
    build: Callable[[Storage, str, str], Storages]
    one_process: str = ""
    one_process_with: Mapping[str, str] = field(default_factory=dict)
    blobs: Blobs = Blobs.AROUND
    blobs_option: str = ""
    blobs_in_var: Callable[[Storage], str] = _blobstorage
    packages: tuple[str, ...] = ()
    extra: str = ""
    read_only: Callable[[Storage], bool] = _never
    options: tuple[str, ...] = ()

    def is_chosen(self, options: Storage) -> bool:
        """Whether the options choose it."""
        return bool(value(options, self.option))


def value(options: Storage, name: str) -> object:
    """The value of an option by its name in the part."""
    return getattr(options, next(field for field, option in options_of(Storage).items() if option.name == name))


def filestorage(file: str, option: str) -> Storages:
    """A FileStorage; its file comes from `option`."""
    section = Section("filestorage", (Key("path", file),), option=option)
    return Storages(section, directories=(file.rpartition("/")[0],))


def memory(blobs: str) -> Storages:
    """A storage in memory: a DemoStorage, unless blobs come from around it, which a DemoStorage does not take."""
    return Storages(Section("mappingstorage" if blobs else "demostorage"))


def _filestorage(options: Storage, blobs: str, client_home: str) -> Storages:
    return filestorage(options.file, "file-storage")


def _memory(options: Storage, blobs: str, client_home: str) -> Storages:
    return memory(blobs)


def _zeoclient(options: Storage, blobs: str, client_home: str) -> Storages:
    # The client's cache is kept where the part says so, or gives it a name
    var = options.zeo_var or (client_home if options.zeo_cache_name else None)
    has_user = bool(options.zeo_username)
    keys = (
        Key("read-only", _word(options.read_only), "read-only"),
        Key("read-only-fallback", _word(options.zeo_read_only_fallback), "zeo-client-read-only-fallback"),
        Key("blob-dir", blobs or None, "blob-storage"),
        Key("shared-blob-dir", ("yes" if options.shared_blob else "no") if blobs else None, "shared-blob"),
        *(Key("server", address, "zeo-address") for address in options.zeo_address),
        Key("storage", options.zeo_storage, "zeo-storage"),
        Key("name", "zeostorage"),
        Key("cache-size", options.zeo_cache_size, "zeo-client-cache-size"),
        Key("blob-cache-size", options.zeo_blob_cache_size, "zeo-client-blob-cache-size"),
        Key("blob-cache-size-check", options.zeo_blob_cache_check, "zeo-client-blob-cache-size-check"),
        Key("realm", options.zeo_realm if has_user else None, "zeo-realm"),
        Key("username", options.zeo_username, "zeo-username"),
        Key("password", options.zeo_password if has_user else None, "zeo-password"),
        Key("var", var, "zeo-var"),
        Key("client", options.zeo_cache_name, "zeo-client-client"),
        Key("min-disconnect-poll", options.min_disconnect_poll, "min-disconnect-poll"),
        Key("max-disconnect-poll", options.max_disconnect_poll, "max-disconnect-poll"),
        Key(
            "drop-cache-rather-verify",
            None if options.zeo_drop_cache is None else _word(options.zeo_drop_cache),
            "zeo-client-drop-cache-rather-verify",
        ),
    )
    return Storages(
        Section("zeoclient", keys),
        directories=(var,) if var else (),
        private=(blobs,) if blobs else (),
    )


def _word(flag: bool) -> str:
    return "true" if flag else "false"


def _relstorage(options: Storage, blobs: str, client_home: str) -> Storages:
    """RelStorage's own keys, and its adapter's in a section of the adapter's type."""
    keys = dict(options.rel_storage)
    adapter_type = keys.pop("type", "postgresql")
    own = {key: text for key, text in keys.items() if _is_relstorage_key(key)}
    adapter = {key: text for key, text in keys.items() if key not in own}
    pragmas = {key.removeprefix("pragmas-"): adapter.pop(key) for key in list(adapter) if key.startswith("pragmas-")}
    data, blobs = adapter.get("data-dir"), own.get("blob-dir", "")
    if adapter_type == "postgresql" and "dsn" not in adapter:
        adapter = {"dsn": _dsn(adapter)} | {key: text for key, text in adapter.items() if key not in DSN_KEYS}
    sections = (Section("pragmas", _keys(pragmas), option="rel-storage"),) if pragmas else ()
    section = Section(
        "relstorage",
        _keys(own),
        (Section(adapter_type, _keys(adapter), sections, option="rel-storage"),),
    )
    return Storages(section, directories=(data,) if data else (), private=(blobs,) if blobs else ())


def _keys(texts: Mapping[str, str]) -> tuple[Key, ...]:
    return tuple(Key(name, text) for name, text in texts.items())


DSN_KEYS = ("dbname", "user", "host", "port", "password")


def _is_relstorage_key(key: str) -> bool:
    return key in ("name", "revert_when_stale") or ("-" in key and key != "data-dir" and not key.startswith("pragmas-"))


def _dsn(adapter: Mapping[str, str]) -> str:
    """Libpq's connection string; backslash and quote are escaped as its manual has it (34.1.1)."""
    escaped = {key: text.replace("\\", r"\\").replace("'", r"\'") for key, text in adapter.items() if key in DSN_KEYS}
    return " ".join(f"{key}='{escaped[key]}'" for key in DSN_KEYS if key in escaped)


RELSTORAGE = Base(
    option="rel-storage",
    title="RelStorage",
    build=_relstorage,
    blobs=Blobs.OWN,
    blobs_option="blob-dir in rel-storage",
    packages=("relstorage",),
    extra="relstorage",
    read_only=lambda options: dict(options.rel_storage).get("read-only", "").lower() in kinds.TRUE,
)

ZEO_CLIENT = Base(
    option="zeo-client",
    title="a ZEO client",
    build=_zeoclient,
    one_process_with={"zeo-client-client": "only one process can open the cache file that it names"},
    blobs=Blobs.INSIDE,
    blobs_in_var=lambda options: "blobstorage" if options.shared_blob else "blobcache",
    read_only=lambda options: options.read_only,
    options=(
        "zeo-address", "zeo-storage", "shared-blob", "zeo-client-cache-size", "zeo-client-client", "zeo-var",
        "zeo-client-blob-cache-size", "zeo-client-blob-cache-size-check", "zeo-client-drop-cache-rather-verify",
        "zeo-client-read-only-fallback", "read-only", "min-disconnect-poll", "max-disconnect-poll", "zeo-username",
        "zeo-password", "zeo-realm",
    ),
)  # fmt: skip

FILE_STORAGE = Base(
    option="file-storage",
    title="a FileStorage",
    build=_filestorage,
    one_process="only one process can open a FileStorage",
    options=("file-storage",),
)

#: What is left when no option chooses a base.
MEMORY = Base(
    option="file-storage",
    title="a storage in memory",
    build=_memory,
    one_process="each process would have its own database",
    blobs_in_var=lambda options: "",
)

#: In this order the first one that is chosen counts. FileStorage is the default, so it comes last.
BASES = (RELSTORAGE, ZEO_CLIENT, FILE_STORAGE)


def base_of(options: Storage) -> Base:
    """The base that the options choose."""
    return next((base for base in BASES if base.is_chosen(options)), MEMORY)


def contradictions(options: Storage) -> list[tuple[Base, Base]]:
    """The pairs of bases that exclude each other and are chosen both. The default gives way to any other."""
    chosen = [base for base in BASES if base is not FILE_STORAGE and base.is_chosen(options)]
    return [(chosen[0], base) for base in chosen[1:]]
