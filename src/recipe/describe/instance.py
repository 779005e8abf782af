"""The typed description of an instance, and how it follows from the options.

Everything is decided here; the renderers only write it down. Pure: nothing is
read from or written to the disk.
"""

import ast
import codecs
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from recipe.common.address import Address
from recipe.common.servers import SERVERS, WAITRESS, Description
from recipe.describe import storages, waitress_settings, wsgi_server
from recipe.describe import zserver as zserver
from recipe.describe.environment import variables
from recipe.describe.sections import Section, check_syntax
from recipe.options import Problems, Settings, kinds
from recipe.options.declare import Context
from recipe.options.logs import AccessLog, EventLog


@dataclass(frozen=True)
class Handler:
    """A handler of the logging package as wsgi.ini describes it; `file` is empty where there is none."""

    file: str
    class_: str
    args: str
    kwargs: str
    level: str

    @property
    def disabled(self) -> bool:
        """Whether the log goes nowhere."""
        return self.class_ == "NullHandler"

    @property
    def is_console(self) -> bool:
        """Whether the log goes to the console."""
        return self.class_ == "StreamHandler" and not self.file

    @property
    def has_credentials(self) -> bool:
        """Whether a user and a password are among the arguments: the fifth of those that mail, or ask a URL."""
        arguments = ast.parse(self.args, mode="eval").body
        return (
            self.class_.endswith(("SMTPHandler", "HTTPHandler"))
            and isinstance(arguments, ast.Tuple | ast.List)
            and len(arguments.elts) >= 5
        )


@dataclass(frozen=True)
class Instance:
    """One instance. All paths are absolute.

    name, directory, location, bin_directory   as in Context
    settings       the options of the part, parsed
    addresses      where the server listens, the port base added
    pipeline       the whole pipeline
    environment    environment variables that Zope sets
    relative_paths  whether paths inside the buildout are written relative to it
    storages       those of the main database
    temporary      the temporary database, as ZConfig text
    event_log, access_log   their handlers
    server         the WSGI server, and what it can do
    waitress       further settings of waitress, by its names; those that other servers share, with another server
    directories, private_directories    to be created; the latter for their owner alone
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
    storages: storages.Storages
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
            ("pool-size", options.pool_size or (threads if threads > storages.DEFAULT_POOL_SIZE else None)),
            ("pool-timeout", options.pool_timeout),
            ("large-record-size", options.large_record_size),
            ("historical-pool-size", options.historical_pool_size),
            ("historical-cache-size", options.historical_cache_size),
            ("historical-cache-size-bytes", options.historical_cache_size_bytes),
            ("historical-timeout", options.historical_timeout),
            ("allow-implicit-cross-references", options.implicit_references),
            ("mount-point", "/"),
        )
        return Section("zodb_db", keys, (self.storages.tree,), "main")


def describe(
    settings: Settings,
    part: Mapping[str, str],
    context: Context,
    projects: Collection[str] | None,
    relative_paths: bool,
    problems: Problems,
    servers: Mapping[str, Description] = SERVERS,
) -> Instance:
    """The instance that a part describes; what is wrong with the part goes to `problems`.

    `settings` are what has been read from the part. `projects` are the names of the
    distributions in its working set, None where they are not known yet; `relative_paths`
    is what holds where the part does not say; `servers` are those that ``wsgi-server`` can name.
    """
    _check(settings, problems)
    _warn_of_odd_words(part, problems)
    if projects is not None:
        _check_profile(settings, part, projects, problems)
    if settings.server.wsgi is False:
        settings, waitress, server = zserver.settled(settings, part, problems), {}, WAITRESS
    else:
        server = wsgi_server.check(settings, part, servers, problems)
        waitress = waitress_settings.settings(part, server, problems)
    event_log = _handler("event-log", settings.event_log, problems)
    access_log = _handler("access-log", settings.access_log, problems)
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
        temporary=_temporary(settings, projects, problems),
        event_log=event_log,
        access_log=access_log,
        server=server,
        waitress=waitress,
    )
    if instance.temporary and settings.server.workers > 1:
        problems.warn("zodb-temporary-storage", "each worker has its own: sessions in it are not shared")
    return replace(instance, directories=_directories(instance), private_directories=_private_directories(instance))


def _check_profile(settings: Settings, part: Mapping[str, str], projects: Collection[str], problems: Problems) -> None:
    if settings.profile.enabled and part.get("profile_cachegrind_filename") and "pyprof2calltree" not in projects:
        problems.warn("profile_cachegrind_filename", "does nothing without pyprof2calltree; add it to eggs")


def _warn_of_odd_words(part: Mapping[str, str], problems: Problems) -> None:
    """Say what was meant by words that 9.1.0 takes and gets wrong in silence."""
    shared = part.get("shared-blob", "").strip().lower()
    if shared in kinds.FALSE - {"no"}:
        problems.warn("shared-blob", f"{shared} is read as no")
    for option in ("event-log", "access-log", "z2-log"):
        word = part.get(option, "").strip().lower()
        if word in kinds.NO_LOG - {"disable"}:
            problems.warn(option, f"{word} is read as disable")


def _check(settings: Settings, problems: Problems) -> None:
    server, layout = settings.server, settings.layout
    if server.ini_template and server.logging_template:
        problems.error("wsgi-ini-template", "and wsgi-logging-ini-template exclude each other; leave one of them out")
    if layout.import_directory != f"{layout.client_home}/import":
        problems.warn("import-directory", f"Zope imports from {layout.client_home}/import only")
    if layout.zope_conf is None:
        _check_zope_conf(settings, problems)
    _warn_of_idle(settings, problems)


def _check_zope_conf(settings: Settings, problems: Problems) -> None:
    try:
        codecs.lookup(settings.zope.encoding)
    except LookupError:
        problems.warn("default-zpublisher-encoding", f"Python knows no encoding {settings.zope.encoding}")
    storages.check(settings.storage, problems)
    if settings.storage.wrapper is not None:
        # On a line of its own it stays there, so that the lines of errors are those of the option
        text = re.sub(r"(?m)^[ \t]*%s[ \t]*$", "<storage/>", settings.storage.wrapper)
        _check_zconfig("storage-wrapper", text.replace("%s", "\n<storage/>\n"), problems)
    _check_zconfig("zope-conf-additional", settings.zope.additional, problems)
    for option in ("mailinglogger", "event-log-custom", "access-log-custom"):
        _check_zconfig(option, getattr(settings.zserver, option.replace("-", "_")) or "", problems)


def _warn_of_idle(settings: Settings, problems: Problems) -> None:
    """Tell of options that do nothing beside another one."""
    server, zcml = settings.server, settings.zcml
    idle: dict[str, dict[str, object]] = {}
    if settings.layout.zope_conf is not None:
        idle["zope-conf"] = {
            "zope-conf-additional": settings.zope.additional,
            "environment-vars": settings.zope.environment_vars,
            "storage-wrapper": settings.storage.wrapper,
            "rel-storage": settings.storage.rel_storage,
        }
    if isinstance(server.wsgi, str):
        idle["wsgi"] = {
            "wsgi-ini-template": server.ini_template,
            "wsgi-logging-ini-template": server.logging_template,
            "wsgi-server": server.name != "waitress",
            "wsgi-server-options": server.own_options,
            "workers": server.workers > 1,
        }
    if zcml.site is not None:
        idle["site-zcml"] = {
            "zcml": zcml.slugs,
            "zcml-additional": zcml.additional,
            "locales": zcml.locales,
            "resources": zcml.resources,
        }
    for winner, options in idle.items():
        for option, given in options.items():
            if given:
                problems.warn(option, f"does nothing, since {winner} is given")


def _check_zconfig(option: str, text: str, problems: Problems) -> None:
    try:
        check_syntax(text)
    except ValueError as error:
        problems.error(option, str(error))


def _addresses(settings: Settings, problems: Problems) -> tuple[Address, ...]:
    server = settings.server
    try:
        shifted = dict.fromkeys(each.shifted(server.port_base) for each in server.addresses)
    except ValueError as error:
        problems.error("port-base", f"{server.port_base} is too much: {error}")
        return server.addresses
    host = settings.zserver.ip_address
    return tuple(replace(each, host=host) if each.bare and host else each for each in shifted)


def _handler(name: str, log: EventLog | AccessLog, problems: Problems) -> Handler:
    if not log.file or log.file in kinds.STREAMS:
        for option, given in ((f"{name}-handler", log.handler), (f"{name}-args", log.args)):
            if given:
                problems.warn(option, f"does nothing, since {name} = {log.file or 'disable'}")
    if not log.file:
        return Handler("", "NullHandler", "()", "{}", log.level)
    if log.file in kinds.STREAMS:
        return Handler("", "StreamHandler", f"(sys.{log.file},)", "{}", log.level)
    args = kinds.with_file(log.args, log.file) if log.args else f"({log.file!r}, 'a')"
    if not log.max_size:
        return Handler(log.file, log.handler or "FileHandler", args, log.kwargs, log.level)
    if log.handler:
        problems.warn(f"{name}-max-size", f"does nothing with {name}-handler; use {name}-kwargs")
        return Handler(log.file, log.handler, args, log.kwargs, log.level)
    rotation = f"'maxBytes': {log.max_size}, 'backupCount': {log.old_files}"
    kwargs = f"{{{rotation}}}" if log.kwargs == "{}" else f"{{{rotation}, {log.kwargs[1:]}"
    return Handler(log.file, "handlers.RotatingFileHandler", args, kwargs, log.level)


def _pipeline(settings: Settings, access_log: Handler) -> tuple[str, ...]:
    names = [name for name in settings.server.pipeline if name != "translogger" or not access_log.disabled]
    if "zope" not in names:
        names.append("zope")
    switched_on = {"sentry": bool(settings.sentry.dsn), "profile": settings.profile.enabled}
    for name, on in switched_on.items():
        if on and name not in names:
            names.insert(names.index("zope"), name)
    return tuple(names)


def _environment(settings: Settings, problems: Problems) -> dict[str, str]:
    is_used = settings.layout.zope_conf is None
    found = variables(settings.zope.environment_vars, problems if is_used else Problems(problems.name))
    cache = settings.zope.template_cache
    if cache and "CHAMELEON_CACHE" not in found:
        found["CHAMELEON_CACHE"] = cache if isinstance(cache, str) else f"{settings.layout.var}/cache"
    return found


TEMPORARY_DISTRIBUTIONS = {"tempstorage", "products.temporaryfolder"}


def _temporary(settings: Settings, projects: Collection[str] | None, problems: Problems) -> str | None:
    """``<zodb_db temporary>`` as text, the user's own or ours; None where there is none."""
    text = settings.storage.temporary
    names = {name.lower().replace("_", "-") for name in projects or ()}
    if text is None:
        return TEMPORARY if names >= TEMPORARY_DISTRIBUTIONS and "products.cmfplone" not in names else None
    if text.lower() in kinds.FALSE:
        return None
    if text.lower() in kinds.TRUE:
        missing = sorted(TEMPORARY_DISTRIBUTIONS - names)
        if missing and projects is not None:
            problems.warn("zodb-temporary-storage", f"Zope will not start: add {' and '.join(missing)} to eggs")
        return TEMPORARY
    _check_zconfig("zodb-temporary-storage", text, problems)
    return text


TEMPORARY = """\
<zodb_db temporary>
  <temporarystorage>
    name temporary storage for sessioning
  </temporarystorage>
  mount-point /temp_folder
  container-class Products.TemporaryFolder.TemporaryContainer
</zodb_db>"""


def _directories(instance: Instance) -> tuple[str, ...]:
    """What must be there before the server starts, apart from the directories of blobs."""
    layout, zcml = instance.settings.layout, instance.settings.zcml
    in_zope_conf = [layout.client_home, layout.import_directory, _parent(layout.pid_file), _parent(layout.lock_file)]
    if layout.zope_conf is None:
        in_zope_conf += instance.storages.directories
        in_zope_conf += filter(None, [instance.environment.get("CHAMELEON_CACHE")])
    found = [instance.location, layout.var, *_known(instance, in_zope_conf, "$")]
    found += _known(instance, map(_parent, _logs(instance)), instance.log_mark)
    if zcml.site is None:
        found += [directory for directory in (zcml.locales, zcml.resources) if directory]
    return tuple(
        dict.fromkeys(each for each in found if not kinds.has_reference(each.removeprefix(instance.directory)))
    )


def _logs(instance: Instance) -> list[str]:
    files = [instance.event_log.file, instance.access_log.file]
    if instance.settings.profile.enabled:
        files += [instance.settings.profile.log_filename, instance.settings.profile.cachegrind_filename]
    return [file for file in files if file]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _private_directories(instance: Instance) -> tuple[str, ...]:
    """The directories of blobs, which are for the server's user alone."""
    if instance.settings.layout.zope_conf is not None:
        return ()
    return tuple(dict.fromkeys(_known(instance, instance.storages.private, "$")))


def _known(instance: Instance, paths: Iterable[str], mark: str) -> Iterator[str]:
    """The paths as their reader will have them, to which a doubled `mark` is one.

    Not those with a reference that only the reader can tell: they are not ours to make.
    """
    for path in paths:
        if path and not kinds.has_reference(path.removeprefix(instance.directory)):
            yield instance.meaning(path, mark)
