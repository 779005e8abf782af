"""Options of the database and its storages."""

from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Into, option


@dataclass(frozen=True)
class Storage:
    """The main database, which is ``<zodb_db main>`` in ``zope.conf``, and its storages."""

    INTO: ClassVar = (Into.ZOPE_CONF,)

    cache_size: int = option(
        "zodb-cache-size", kinds.NUMBER, "The number of objects in the cache of each database connection.", "30000"
    )
    cache_size_bytes: str | None = option(
        "zodb-cache-size-bytes",
        kinds.SIZE_TEXT,
        "The size of the cache of each database connection in bytes. If left out, only the number of objects limits "
        "the cache.",
    )
    pool_size: int | None = option(
        "zodb-pool-size",
        kinds.COUNT,
        "The number of database connections that are kept open. If left out, it is ``threads`` if that is more than "
        "7; otherwise 7.",
    )
    pool_timeout: str | None = option(
        "zodb-pool-timeout",
        kinds.INTERVAL,
        "How long an unused database connection is kept, such as ``90`` (seconds) or ``10m``. If left out, it is "
        "kept without a limit.",
    )
    large_record_size: str | None = option(
        "zodb-large-record-size",
        kinds.SIZE_TEXT,
        "The size of a database record above which ZODB warns. If left out, it is 16MB.",
    )
    historical_pool_size: int | None = option(
        "zodb-historical-pool-size",
        kinds.NUMBER,
        "The number of open historical connections, which show the database as it was in the past. If left out, it "
        "is 3.",
    )
    historical_cache_size: int | None = option(
        "zodb-historical-cache-size",
        kinds.NUMBER,
        "The number of objects in the cache of each historical connection. If left out, it is 1000.",
    )
    historical_cache_size_bytes: str | None = option(
        "zodb-historical-cache-size-bytes",
        kinds.SIZE_TEXT,
        "The size of the cache of each historical connection in bytes. If left out, only the number of objects "
        "limits the cache.",
    )
    historical_timeout: str | None = option(
        "zodb-historical-timeout",
        kinds.INTERVAL,
        "How long an unused historical connection is kept. If left out, it is 5 minutes.",
    )
    implicit_references: bool | None = option(
        "zodb-allow-implicit-cross-references",
        kinds.BOOLEAN,
        "Allows an object to refer to an object in another database that is mounted. If left out, ZODB allows it.",
    )
    file: str = option(
        "file-storage",
        kinds.FILE_IN_VAR_OR_EMPTY,
        "The file of the FileStorage. If empty, the database is an in-memory demo storage, which is lost when the "
        "instance stops.",
        "filestorage/Data.fs",
        keep_empty=True,
    )
    blobs: str | None = option(
        "blob-storage",
        kinds.FILE_IN_DIRECTORY_OR_EMPTY,
        "The directory of the blobs, which the recipe creates with mode 0700. If left out, it is "
        "``VAR/blobstorage``, or ``VAR/blobcache`` for a ZEO client without shared blobs; with ``demo-storage``, "
        "there are then no blobs. If empty, there are no blobs.",
        keep_empty=True,
    )
    zeo_client: bool = option(
        "zeo-client", kinds.BOOLEAN, "Uses the storage of a ZEO server instead of a FileStorage.", "off"
    )
    zeo_address: tuple[str, ...] = option(
        "zeo-address",
        kinds.ZEO_ADDRESSES,
        "The address of the ZEO server: a port, ``host:port`` or the path of its socket, or several of these.",
        "8100",
    )
    zeo_storage: str = option("zeo-storage", kinds.LINE, "The name of the storage on the ZEO server.", "1")
    shared_blob: bool = option(
        "shared-blob",
        kinds.BOOLEAN,
        "Uses the blob directory of the ZEO server, such as one on a network file system. If ``off``, the instance "
        "downloads blobs into a cache of its own.",
        "no",
    )
    zeo_cache_size: str = option(
        "zeo-client-cache-size", kinds.SIZE_TEXT, "The size of the cache of the ZEO client.", "128MB"
    )
    zeo_cache_name: str | None = option(
        "zeo-client-client",
        kinds.LINE,
        "A name that makes the cache of the ZEO client persistent. If left out, the cache is empty after each start.",
    )
    zeo_var: str | None = option(
        "zeo-var",
        kinds.FILE_IN_DIRECTORY,
        "The directory of the persistent cache of the ZEO client. If left out, it is ``client-home``.",
    )
    zeo_blob_cache_size: str | None = option(
        "zeo-client-blob-cache-size",
        kinds.SIZE_TEXT,
        "The size of the blob cache of the ZEO client. If left out, the blob cache has no limit.",
    )
    zeo_blob_cache_check: int | None = option(
        "zeo-client-blob-cache-size-check",
        kinds.COUNT,
        "The ZEO client checks the size of its blob cache after it has downloaded this percentage of "
        "``zeo-client-blob-cache-size``. If left out, it is 10.",
    )
    zeo_drop_cache: bool | None = option(
        "zeo-client-drop-cache-rather-verify",
        kinds.BOOLEAN,
        "Drops a stale cache instead of verifying it. ZEO 5 and later ignore this option.",
    )
    zeo_read_only_fallback: bool = option(
        "zeo-client-read-only-fallback",
        kinds.BOOLEAN,
        "Connects to a read-only ZEO server if there is no writable one.",
        "false",
    )
    read_only: bool = option("read-only", kinds.BOOLEAN, "Opens the ZEO storage read-only.", "false")
    min_disconnect_poll: int | None = option(
        "min-disconnect-poll",
        kinds.NUMBER,
        "The minimum number of seconds between attempts to connect to the ZEO server. ZEO 5 and later ignore this "
        "option.",
    )
    max_disconnect_poll: int | None = option(
        "max-disconnect-poll",
        kinds.NUMBER,
        "The maximum number of seconds between attempts to connect to the ZEO server. ZEO 5 and later ignore this "
        "option.",
    )
    zeo_username: str | None = option(
        "zeo-username",
        kinds.LINE,
        "The user name with which the instance logs in to the ZEO server. It needs ``zeo-password``. ZEO 5 and later "
        "ignore this option.",
    )
    zeo_password: str | None = option("zeo-password", kinds.LINE, "The password of ``zeo-username``.", secret=True)
    zeo_realm: str = option(
        "zeo-realm",
        kinds.LINE,
        "The authentication realm on the ZEO server to which ``zeo-username`` and ``zeo-password`` belong.",
        "ZEO",
    )
    rel_storage: tuple[tuple[str, str], ...] = option(
        "rel-storage",
        kinds.REL_STORAGE,
        "Uses RelStorage, with lines ``key value``. ``type`` names the adapter; if left out, it is ``postgresql``. "
        "``name`` and all keys with a dash belong to RelStorage; the others belong to the adapter. If ``postgresql`` "
        "has no ``dsn``, the recipe makes it from ``dbname``, ``user``, ``host``, ``port`` and ``password``. For "
        "``sqlite3``, ``pragmas-NAME`` sets a pragma. Paths are relative to the buildout directory. The recipe "
        "installs RelStorage, but no driver: add psycopg2-binary, mysqlclient or another driver to ``eggs``.",
        "",
        secret=True,
    )
    zlib: str | None = option(
        "zlib-storage",
        kinds.ZLIB,
        "Compresses database records. ``active`` compresses new records; ``passive`` only reads compressed ones.",
    )
    before: str | None = option(
        "before-storage",
        kinds.LINE,
        "Shows the database as it was at this time, such as ``2026-01-31``. The database is then read-only. ``now`` "
        "is the time at which the instance starts.",
    )
    demo: bool = option(
        "demo-storage",
        kinds.BOOLEAN,
        "Keeps changes apart from the storage, which is not modified. Without ``demo-file-storage``, the changes are "
        "in memory and are lost when the instance stops.",
        "off",
    )
    demo_file: str | None = option(
        "demo-file-storage", kinds.FILE_IN_VAR, "The file of a FileStorage for the changes of ``demo-storage``."
    )
    demo_blobs: str | None = option(
        "demo-blob-storage", kinds.FILE_IN_DIRECTORY, "The directory for the blobs in the changes of ``demo-storage``."
    )
    wrapper: tuple[str, str] | None = option(
        "storage-wrapper",
        kinds.WRAPPER,
        "ZConfig text that is written around the storage. ``%s`` stands for the storage, and ``%%`` for ``%``.",
    )
    temporary: str | None = option(
        "zodb-temporary-storage",
        kinds.TEXT,
        "``on`` adds a temporary database at ``/temp_folder``, and ``off`` does not. Any other value is ZConfig "
        "text of your own for it. If left out, it is ``on`` if tempstorage and Products.TemporaryFolder are among "
        "the eggs and Products.CMFPlone is not.",
    )
