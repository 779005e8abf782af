"""The database and its storages."""

from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Into, option


@dataclass(frozen=True)
class Storage:
    """Options of ``<zodb_db main>`` and the storages in it."""

    INTO: ClassVar = (Into.ZOPE_CONF,)

    cache_size: int = option("zodb-cache-size", kinds.NUMBER, "Objects in the cache of each connection.", "30000")
    cache_size_bytes: str | None = option("zodb-cache-size-bytes", kinds.SIZE_TEXT, "The size of that cache in bytes.")
    pool_size: int | None = option(
        "zodb-pool-size", kinds.COUNT, "Connections that are kept open. Left out: ``threads``, where these are over 7."
    )
    pool_timeout: str | None = option(
        "zodb-pool-timeout",
        kinds.INTERVAL,
        "How long an unused connection is kept: ``90``, ``10m``. Left out: for ever.",
    )
    large_record_size: str | None = option(
        "zodb-large-record-size", kinds.SIZE_TEXT, "ZODB warns of a record above this size. Left out: 16MB."
    )
    historical_pool_size: int | None = option(
        "zodb-historical-pool-size", kinds.NUMBER, "Open connections that show the past. Left out: 3."
    )
    historical_cache_size: int | None = option(
        "zodb-historical-cache-size", kinds.NUMBER, "Objects in the cache of each of these. Left out: 1000."
    )
    historical_cache_size_bytes: str | None = option(
        "zodb-historical-cache-size-bytes", kinds.SIZE_TEXT, "The size of that cache in bytes."
    )
    historical_timeout: str | None = option(
        "zodb-historical-timeout", kinds.INTERVAL, "How long one that is unused is kept. Left out: 5 minutes."
    )
    implicit_references: bool | None = option(
        "zodb-allow-implicit-cross-references",
        kinds.BOOLEAN,
        "Let an object refer to one in another, mounted database.",
    )
    file: str = option(
        "file-storage",
        kinds.FILE_IN_VAR_OR_EMPTY,
        "The file of the FileStorage. Empty: an in-memory demo storage.",
        "filestorage/Data.fs",
        keep_empty=True,
    )
    blobs: str | None = option(
        "blob-storage",
        kinds.FILE_IN_DIRECTORY_OR_EMPTY,
        "The directory of the blobs, created with mode 0700. Left out: ``VAR/blobstorage``, for a ZEO client without "
        "shared blobs ``VAR/blobcache``, for a demo storage none. Empty: no blobs.",
        keep_empty=True,
    )
    zeo_client: bool = option("zeo-client", kinds.BOOLEAN, "Use the storage of a ZEO server.", "off")
    zeo_address: tuple[str, ...] = option(
        "zeo-address", kinds.ZEO_ADDRESSES, "The ZEO server's ``host:port`` or socket, or several.", "8100"
    )
    zeo_storage: str = option("zeo-storage", kinds.LINE, "The name of the storage on the ZEO server.", "1")
    shared_blob: bool = option("shared-blob", kinds.BOOLEAN, "The ZEO server's blob directory is shared.", "no")
    zeo_cache_size: str = option("zeo-client-cache-size", kinds.SIZE_TEXT, "The client's cache.", "128MB")
    zeo_cache_name: str | None = option(
        "zeo-client-client", kinds.LINE, "A name that makes the client's cache persistent."
    )
    zeo_var: str | None = option(
        "zeo-var", kinds.FILE_IN_DIRECTORY, "The directory of the persistent cache. Left out: ``client-home``."
    )
    zeo_blob_cache_size: str | None = option(
        "zeo-client-blob-cache-size", kinds.SIZE_TEXT, "The size of the blob cache."
    )
    zeo_blob_cache_check: int | None = option(
        "zeo-client-blob-cache-size-check", kinds.COUNT, "At what share of it, in percent, it is checked."
    )
    zeo_drop_cache: bool | None = option(
        "zeo-client-drop-cache-rather-verify", kinds.BOOLEAN, "Drop a stale cache instead of verifying it."
    )
    zeo_read_only_fallback: bool = option(
        "zeo-client-read-only-fallback", kinds.BOOLEAN, "Take a read-only server where there is no other.", "false"
    )
    read_only: bool = option("read-only", kinds.BOOLEAN, "Open the ZEO storage read-only.", "false")
    min_disconnect_poll: int | None = option(
        "min-disconnect-poll", kinds.NUMBER, "Seconds between attempts to connect, at least."
    )
    max_disconnect_poll: int | None = option(
        "max-disconnect-poll", kinds.NUMBER, "Seconds between attempts to connect, at most."
    )
    zeo_username: str | None = option("zeo-username", kinds.LINE, "The user name at the ZEO server.")
    zeo_password: str | None = option("zeo-password", kinds.LINE, "The password to it.", secret=True)
    zeo_realm: str = option("zeo-realm", kinds.LINE, "The realm of both.", "ZEO")
    rel_storage: tuple[tuple[str, str], ...] = option(
        "rel-storage",
        kinds.REL_STORAGE,
        "RelStorage: lines ``key value``. ``type`` names the adapter, postgresql where it is left out; keys with a "
        "dash and ``name`` are RelStorage's, the others the adapter's. For ``postgresql`` without a ``dsn``, that is "
        "made from ``dbname``, ``user``, ``host``, ``port`` and ``password``; for ``sqlite3``, ``pragmas-NAME`` sets "
        "a pragma. Paths are relative to the buildout directory. Brings RelStorage, but no driver: add "
        "psycopg2-binary, mysqlclient or another one to ``eggs``.",
        "",
        secret=True,
    )
    zlib: str | None = option("zlib-storage", kinds.ZLIB, "Compress records: ``active``, or ``passive`` to read only.")
    before: str | None = option("before-storage", kinds.LINE, "Show the database as it was at this time, or ``now``.")
    demo: bool = option("demo-storage", kinds.BOOLEAN, "Keep changes apart from the base storage.", "off")
    demo_file: str | None = option("demo-file-storage", kinds.FILE_IN_VAR, "A FileStorage for these changes.")
    demo_blobs: str | None = option("demo-blob-storage", kinds.FILE_IN_DIRECTORY, "A directory for their blobs.")
    wrapper: str | None = option(
        "storage-wrapper", kinds.TEXT, "ZConfig text around the storage, which goes where ``%s`` stands."
    )
    temporary: str | None = option(
        "zodb-temporary-storage",
        kinds.TEXT,
        "on: a temporary database at ``/temp_folder``; off: none; or ZConfig lines of your own. Left out: on where "
        "tempstorage and Products.TemporaryFolder are among the eggs, and Products.CMFPlone is not.",
    )
