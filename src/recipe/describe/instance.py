"""The typed description of an instance, and how it follows from the options.

All decisions are made here; the renderers only write them down. Pure: this module neither reads nor writes
the disk.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from recipe.common.address import Address
from recipe.common.problems import Problems
from recipe.common.servers import SERVERS, WAITRESS, Description
from recipe.describe import storages, waitress_settings, wsgi_server, zserver
from recipe.describe.bases import Storages
from recipe.describe.environment import variables
from recipe.describe.handlers import Handler, handler
from recipe.describe.sections import Key, Section, check_syntax
from recipe.options import Settings, kinds
from recipe.options.declare import Context, options_of
from recipe.options.logs import Profile, Sentry


@dataclass(frozen=True)
class Instance:
    """One instance, as a frozen value. All paths are absolute.

    name, directory, location, bin_directory   as in Context
    settings       the options of the part, parsed
    addresses      the addresses that the server listens on; ``port-base`` is added
    pipeline       the names in the PasteDeploy pipeline
    environment    the environment variables that Zope sets
    relative_paths  whether paths inside the buildout are written relative to it
    storages       the storages of the main database
    temporary      the temporary database as ZConfig text; None: there is none
    event_log, access_log   the handlers of the logs
    server         the WSGI server and what it can do
    waitress       the ``waitress-NAME`` options that the server follows, by waitress's names
    directories, private_directories    directories to create; the private ones get the mode 0700
    """

    name: str
    directory: str
    location: str
    bin_directory: str
    settings: Settings
    relative_paths: bool
    addresses: tuple[Address, ...]
    pipeline: tuple[str, ...]
    environment: Mapping[str, str]
    storages: Storages
    temporary: str | None
    event_log: Handler
    access_log: Handler
    server: Description = WAITRESS
    waitress: Mapping[str, str] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    private_directories: tuple[str, ...] = ()

    @property
    def etc(self) -> str:
        """The directory of the generated configuration."""
        return f"{self.location}/etc"

    @property
    def zope_conf(self) -> str:
        """The zope.conf that the server reads: the user's own, or the generated one."""
        return self.settings.layout.zope_conf or f"{self.etc}/zope.conf"

    @property
    def wsgi_ini(self) -> str:
        """The PasteDeploy file that the server reads: the user's own, or the generated one."""
        wsgi = self.settings.server.wsgi
        return wsgi if isinstance(wsgi, str) else f"{self.etc}/wsgi.ini"

    @property
    def is_zserver(self) -> bool:
        """Whether ZServer serves, in a Python of its own."""
        return self.settings.server.wsgi is False

    @property
    def interpreter(self) -> str:
        """The Python with the instance's path."""
        return f"{self.location}/bin/interpreter"

    @property
    def control_script(self) -> str:
        """``bin/NAME``."""
        return f"{self.bin_directory}/{self.settings.scripts.control_script}"

    @property
    def log_mark(self) -> str:
        """The special character of the file that names the logs: zope.conf under ZServer, else wsgi.ini."""
        return "$" if self.is_zserver else "%"

    def meaning(self, path: str, mark: str) -> str:
        """What a path is in a file in which a doubled `mark` is one; the buildout's own directory holds none."""
        own = path.removeprefix(self.directory)
        return path.removesuffix(own) + own.replace(mark * 2, mark)

    @cached_property
    def main_database(self) -> Section:
        """``<zodb_db main>``."""
        options = self.settings.storage
        threads = self.settings.server.threads
        keys = (
            ("cache-size", options.cache_size),
            ("cache-size-bytes", options.cache_size_bytes),
            ("pool-size", options.pool_size),
            ("pool-timeout", options.pool_timeout),
            ("large-record-size", options.large_record_size),
            ("historical-pool-size", options.historical_pool_size),
            ("historical-cache-size", options.historical_cache_size),
            ("historical-cache-size-bytes", options.historical_cache_size_bytes),
            ("historical-timeout", options.historical_timeout),
            ("allow-implicit-cross-references", options.implicit_references),
        )
        from_options = [Key(name, value, f"zodb-{name}") for name, value in keys]
        if options.pool_size is None and threads > storages.DEFAULT_POOL_SIZE:
            from_options[2] = Key("pool-size", threads, "threads")
        return Section("zodb_db", (*from_options, Key("mount-point", "/")), (self.storages.tree,), "main")


def describe(
    settings: Settings, part: Mapping[str, str], context: Context, relative_paths: bool, problems: Problems
) -> Instance:
    """The instance that a part describes, as far as it can be known without the part's eggs.

    `settings` are what has been read from the part; `relative_paths` is what holds if the part does not say. What is
    wrong with the part goes to `problems`. `with_eggs` adds what the eggs decide.
    """
    _check(settings, part, problems)
    _warn_of_odd_words(settings, part, problems)
    if settings.server.wsgi is False:
        settings = zserver.settled(settings, part, problems)
    event_log = handler("event-log", settings.event_log, part, problems)
    access_log = handler("access-log", settings.access_log, part, problems)
    relative = settings.scripts.relative_paths
    instance = Instance(
        name=context.name,
        directory=context.directory,
        location=context.location,
        bin_directory=context.bin_directory,
        settings=settings,
        relative_paths=relative_paths if relative is None else relative,
        addresses=_addresses(settings, problems),
        pipeline=_pipeline(settings, access_log),
        environment=_environment(settings, problems),
        storages=storages.build(settings.storage, settings.layout.var, settings.layout.client_home),
        temporary=_temporary(settings, problems),
        event_log=event_log,
        access_log=access_log,
    )
    server = SERVERS.get(settings.server.name)
    if server and not instance.is_zserver:
        instance = _with_server(instance, server, part, SERVERS, problems)
    _note_switched_off(instance, problems)
    return replace(instance, directories=_directories(instance), private_directories=_private_directories(instance))


def with_eggs(
    instance: Instance,
    part: Mapping[str, str],
    projects: Collection[str],
    servers: Mapping[str, Description],
    problems: Problems,
) -> Instance:
    """The instance with what its eggs decide: a temporary database, and a server that an egg brings.

    `projects` are the names of the distributions in its working set, `servers` those that ``wsgi-server`` can name.
    """
    _check_profile(instance.settings, part, projects, problems)
    instance = replace(instance, temporary=_temporary_with(projects, instance, problems))
    if instance.temporary and instance.settings.server.workers > 1:
        problems.warn("zodb-temporary-storage", "gives each worker its own database, so sessions are not shared")
    name = instance.settings.server.name
    if name in SERVERS or name not in servers or instance.is_zserver:
        return instance
    return _with_server(instance, servers[name], part, servers, problems)


def _with_server(
    instance: Instance,
    server: Description,
    part: Mapping[str, str],
    servers: Mapping[str, Description],
    problems: Problems,
) -> Instance:
    """The instance with its WSGI server, and the settings of waitress that this server follows."""
    wsgi_server.check(server, instance.settings, part, servers, problems)
    return replace(
        instance, server=server, waitress=waitress_settings.settings(part, instance.settings, server, problems)
    )


def _check_profile(settings: Settings, part: Mapping[str, str], projects: Collection[str], problems: Problems) -> None:
    is_used = settings.profile.enabled and settings.server.wsgi is True
    if is_used and part.get("profile_cachegrind_filename") and "pyprof2calltree" not in projects:
        problems.warn("profile_cachegrind_filename", "does nothing without pyprof2calltree; add it to eggs")


#: Options of ``[server:main]``, which is not written without an address.
OF_SERVER = (
    "workers", "wsgi-server-options", "port-base", "http-fast-listen", "max-request-body-size",
    "clear-untrusted-proxy-headers", "asyncore-use-poll", "http-header-max-length",
)  # fmt: skip


def _note_switched_off(instance: Instance, problems: Problems) -> None:
    """Note the options of filters that are not in the pipeline, and of scripts if there are none."""
    settings = instance.settings
    for name, switch, group in (("sentry", "sentry_dsn", Sentry), ("profile", "profile", Profile)):
        # A template may name the values anywhere
        if name in instance.pipeline or settings.server.ini_template or problems.is_wrong(switch):
            continue
        for option in options_of(group).values():
            problems.set_idle(option.name, f"does nothing without {switch}", warn=False)
    if not settings.server.is_configured and not instance.is_zserver:
        for name in OF_SERVER:
            problems.set_idle(name, waitress_settings.NO_SERVER, warn=False)
    if settings.scripts.scripts == "":
        for name in ("dependent-scripts", "entry-points", "interpreter", "arguments"):
            problems.set_idle(name, "does nothing, since scripts is empty", warn=False)


def _warn_of_odd_words(settings: Settings, part: Mapping[str, str], problems: Problems) -> None:
    """Warn of words that 9.1.0 accepts without a message and reads differently."""
    shared = part.get("shared-blob", "").strip().lower()
    if shared in kinds.FALSE - {"no"}:
        problems.warn("shared-blob", f"{shared!r} is read as no; write no")
    for option in ("event-log", "access-log", "z2-log"):
        word = part.get(option, "").strip().lower()
        if word in kinds.NO_LOG - {"disable"}:
            problems.warn(option, f"{word!r} is read as disable; write disable")
    for slug in settings.zcml.slugs:
        if meant := kinds.meant_slug(slug):
            package, _, rest = slug.partition("-")
            reading = f"the type {rest.partition(':')[0]} of the package {package}"
            problems.warn("zcml", f"{slug!r} is read as {reading}; did you mean {meant}?")


def _check(settings: Settings, part: Mapping[str, str], problems: Problems) -> None:
    server, layout = settings.server, settings.layout
    if server.ini_template and server.logging_template:
        problems.error("wsgi-ini-template", "cannot be combined with wsgi-logging-ini-template; remove one of them")
    if not server.is_configured:
        rest = "" if server.wsgi is False else "; only an external WSGI server can serve this instance"
        problems.warn("http-address", f"is empty, so no server is configured{rest}")
    if layout.import_directory != f"{layout.client_home}/import":
        problems.warn("import-directory", f"Zope imports only from {layout.client_home}/import; remove the option")
    storages.check(settings.storage, part, problems)
    if settings.storage.wrapper is not None:
        before, after = settings.storage.wrapper
        # A place on a line of its own stays one line, so that the line number of an error is that of the option
        before += "" if before.endswith("\n") else "\n"
        after = ("" if after.startswith("\n") else "\n") + after
        _check_zconfig("storage-wrapper", f"{before}<storage/>{after}", problems)
    _check_zconfig("zope-conf-additional", settings.zope.additional, problems)
    for option in ("mailinglogger", "event-log-custom", "access-log-custom"):
        _check_zconfig(option, getattr(settings.zserver, option.replace("-", "_")) or "", problems)


def _check_zconfig(option: str, text: str, problems: Problems) -> None:
    try:
        check_syntax(text)
    except ValueError as error:
        problems.error(option, str(error))


def _addresses(settings: Settings, problems: Problems) -> tuple[Address, ...]:
    server = settings.server
    try:
        shifted = dict.fromkeys(address.shifted(server.port_base) for address in server.addresses)
    except ValueError as error:
        problems.error("port-base", f"{server.port_base} is too high, since it is added to each port: {error}")
        return server.addresses
    host = settings.zserver.ip_address
    return tuple(replace(address, host=host) if address.bare and host else address for address in shifted)


def _pipeline(settings: Settings, access_log: Handler) -> tuple[str, ...]:
    names = [name for name in settings.server.pipeline if name != "translogger" or not access_log.disabled]
    if "zope" not in names:
        names.append("zope")
    switched_on = {"sentry": bool(settings.sentry.dsn), "profile": settings.profile.enabled}
    for name, is_on in switched_on.items():
        if is_on and name not in names:
            names.insert(names.index("zope"), name)
    return tuple(names)


def _environment(settings: Settings, problems: Problems) -> dict[str, str]:
    environment = variables(settings.zope.environment_vars, problems)
    cache = settings.zope.template_cache
    if cache and "CHAMELEON_CACHE" not in environment:
        environment["CHAMELEON_CACHE"] = cache if isinstance(cache, str) else f"{settings.layout.var}/cache"
    return environment


TEMPORARY_DISTRIBUTIONS = {"tempstorage", "products.temporaryfolder"}


def _temporary(settings: Settings, problems: Problems) -> str | None:
    """The text of ``<zodb_db temporary>``: the user's lines, or `TEMPORARY` if the option is on."""
    text = settings.storage.temporary
    if text is None or text.lower() in kinds.FALSE:
        return None
    if text.lower() in kinds.TRUE:
        return TEMPORARY
    _check_zconfig("zodb-temporary-storage", text, problems)
    return text


def _temporary_with(projects: Collection[str], instance: Instance, problems: Problems) -> str | None:
    """The same once the eggs are known: the default is on if they have the two distributions, and not Plone."""
    names = {name.lower().replace("_", "-") for name in projects}
    missing = sorted(TEMPORARY_DISTRIBUTIONS - names)
    if instance.settings.storage.temporary is None:
        return None if missing or "products.cmfplone" in names else TEMPORARY
    if missing and instance.temporary is TEMPORARY:
        problems.warn("zodb-temporary-storage", f"Zope will not start: add {' and '.join(missing)} to eggs")
    return instance.temporary


TEMPORARY = """\
<zodb_db temporary>
  <temporarystorage>
    name temporary storage for sessioning
  </temporarystorage>
  mount-point /temp_folder
  container-class Products.TemporaryFolder.TemporaryContainer
</zodb_db>"""


def _directories(instance: Instance) -> tuple[str, ...]:
    """The directories that the server needs when it starts, without those of blobs."""
    layout, zcml = instance.settings.layout, instance.settings.zcml
    in_zope_conf = [layout.client_home, layout.import_directory, _parent(layout.pid_file), _parent(layout.lock_file)]
    if layout.zope_conf is None:
        in_zope_conf += instance.storages.directories
        in_zope_conf += filter(None, [instance.environment.get("CHAMELEON_CACHE")])
    paths = [instance.location, layout.var, *_resolved(instance, in_zope_conf, "$")]
    paths += _resolved(instance, map(_parent, _logs(instance)), instance.log_mark)
    if zcml.site is None:
        paths += [directory for directory in (zcml.locales, zcml.resources) if directory]
    return tuple(
        dict.fromkeys(path for path in paths if not kinds.has_reference(path.removeprefix(instance.directory)))
    )


def _logs(instance: Instance) -> list[str]:
    files = [instance.event_log.file, instance.access_log.file]
    if instance.settings.profile.enabled:
        files += [instance.settings.profile.log_filename, instance.settings.profile.cachegrind_filename]
    return [file for file in files if file]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _private_directories(instance: Instance) -> tuple[str, ...]:
    """The directories of blobs, which only the server's user may enter."""
    if instance.settings.layout.zope_conf is not None:
        return ()
    return tuple(dict.fromkeys(_resolved(instance, instance.storages.private, "$")))


def _resolved(instance: Instance, paths: Iterable[str], mark: str) -> Iterator[str]:
    """The paths as the program reads them that reads the file: to it, a doubled `mark` is a single one.

    Paths with a reference that only that program can resolve are left out: the recipe cannot create them.
    """
    for path in paths:
        if path and not kinds.has_reference(path.removeprefix(instance.directory)):
            yield instance.meaning(path, mark)
