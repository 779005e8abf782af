"""Event log, access log, Sentry and profiling."""

from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Applies, Into, option


@dataclass(frozen=True)
class EventLog:
    """The log of Zope and everything in it."""

    INTO: ClassVar = (Into.WSGI_INI,)

    file: str = option(
        "event-log",
        kinds.LOG_FILE,
        "The event log's file, or ``disable``: the console only. ``stdout`` and ``stderr``, for containers, take the "
        "console's place.",
        "{var}/log/{name}.log",
        into=(Into.WSGI_INI, Into.FACTS),
    )
    format: str = option(
        "log-format",
        kinds.LOG_FORMAT,
        "The format of both logs: ``plain`` text, or ``json`` for one object a line.",
        "plain",
        applies=Applies.WSGI,
    )
    level: str = option("event-log-level", kinds.LEVEL, "The level of the loggers root, plone and waitress.", "INFO")
    handler: str | None = option(
        "event-log-handler",
        kinds.DOTTED_NAME,
        "A handler class, such as ``logging.handlers.SysLogHandler``. Left out: a FileHandler.",
        applies=Applies.WSGI,
        instead="event-log-custom",
    )
    args: str | None = option(
        "event-log-args",
        kinds.TUPLE,
        "The handler's arguments; ``{0}`` stands for the log's file name. Left out: ``('FILE', 'a')``.",
        applies=Applies.WSGI,
        instead="event-log-custom",
    )
    kwargs: str = option(
        "event-log-kwargs",
        kinds.DICT,
        "The handler's keyword arguments.",
        "{{}}",
        applies=Applies.WSGI,
        instead="event-log-custom",
    )
    max_size: int | None = option("event-log-max-size", kinds.SIZE, "Rotate the log when it reaches this size.")
    old_files: int = option("event-log-old-files", kinds.NUMBER, "How many rotated files are kept.", "1")


@dataclass(frozen=True)
class AccessLog:
    """The log of requests."""

    INTO: ClassVar = (Into.WSGI_INI,)

    file: str = option(
        "access-log",
        kinds.LOG_FILE,
        "The access log's file, ``stdout`` or ``stderr``, or ``disable``: no access log.",
        "{var}/log/{name}-access.log",
        overridden_by=("z2-log",),
        zserver_default="{var}/log/{name}-Z2.log",
    )
    level: str = option(
        "access-log-level",
        kinds.LEVEL,
        "The level of the logger of requests.",
        "INFO",
        aliases=("z2-log-level",),
        zserver_default="WARN",
    )
    handler: str | None = option(
        "access-log-handler",
        kinds.DOTTED_NAME,
        "A handler class, as for the event log.",
        applies=Applies.WSGI,
        instead="access-log-custom",
    )
    args: str | None = option(
        "access-log-args",
        kinds.TUPLE,
        "The handler's arguments, as for the event log.",
        applies=Applies.WSGI,
        instead="access-log-custom",
    )
    kwargs: str = option(
        "access-log-kwargs",
        kinds.DICT,
        "The handler's keyword arguments.",
        "{{}}",
        applies=Applies.WSGI,
        instead="access-log-custom",
    )
    max_size: int | None = option("access-log-max-size", kinds.SIZE, "Rotate the log when it reaches this size.")
    old_files: int = option("access-log-old-files", kinds.NUMBER, "How many rotated files are kept.", "1")


@dataclass(frozen=True)
class Sentry:
    """The Sentry filter of the pipeline; switched on by its DSN."""

    INTO: ClassVar = (Into.WSGI_INI,)

    dsn: str = option("sentry_dsn", kinds.SENTRY_DSN, "The DSN of the Sentry project; switches the filter on.", "",
                      applies=Applies.WSGI, secret=True)  # fmt: skip
    level: str = option("sentry_level", kinds.LEVEL, "From this level up, log records become breadcrumbs.", "INFO",
                        applies=Applies.WSGI)  # fmt: skip
    event_level: str = option("sentry_event_level", kinds.LEVEL, "From this level up, log records become events.",
                              "ERROR", applies=Applies.WSGI)  # fmt: skip
    ignore: tuple[str, ...] = option("sentry_ignore", kinds.WORDS, "Names of loggers to ignore.", "",
                                     applies=Applies.WSGI)  # fmt: skip
    max_value_length: int | None = option(
        "sentry_max_value_length", kinds.COUNT, "Longer values are cut off.", applies=Applies.WSGI
    )
    environment: str | None = option(
        "sentry_environment", kinds.LINE, "Also ``SENTRY_ENVIRONMENT``.", applies=Applies.WSGI
    )
    release: str | None = option("sentry_release", kinds.LINE, "Also ``SENTRY_RELEASE``.", applies=Applies.WSGI)
    server_name: str | None = option("sentry_server_name", kinds.LINE, "The server's name.", applies=Applies.WSGI)
    traces_sample_rate: str | None = option(
        "sentry_traces_sample_rate", kinds.RATE, "The share of requests to trace.", applies=Applies.WSGI
    )
    profiles_sample_rate: str | None = option(
        "sentry_profiles_sample_rate", kinds.RATE, "The share of traced requests to profile.", applies=Applies.WSGI
    )
    send_default_pii: bool | None = option(
        "sentry_send_default_pii",
        kinds.BOOLEAN,
        "Send request bodies, cookies, users, client addresses, and the local variables of tracebacks.",
        applies=Applies.WSGI,
    )
    debug: bool | None = option("sentry_debug", kinds.BOOLEAN, "Let the SDK say what it does.", applies=Applies.WSGI)


@dataclass(frozen=True)
class Profile:
    """repoze.profile in the pipeline."""

    INTO: ClassVar = (Into.WSGI_INI,)

    enabled: bool = option("profile", kinds.BOOLEAN, "Put repoze.profile into the pipeline.", "off",
                           applies=Applies.WSGI)  # fmt: skip
    log_filename: str = option("profile_log_filename", kinds.FILE_IN_DIRECTORY, "Where the profile is kept.",
                               "{var}/log/profile-{name}.raw", applies=Applies.WSGI)  # fmt: skip
    cachegrind_filename: str = option(
        "profile_cachegrind_filename",
        kinds.FILE_IN_DIRECTORY,
        "Where the profile is kept for KCachegrind, if ``pyprof2calltree`` is among the eggs.",
        "{var}/log/cachegrind.out.{name}",
        applies=Applies.WSGI,
    )
    discard_first_request: bool = option(
        "profile_discard_first_request", kinds.BOOLEAN, "Leave out the first request.", "true", applies=Applies.WSGI
    )
    path: str = option("profile_path", kinds.WORD, "The URL path of the profile's page.", "/__profile__",
                       applies=Applies.WSGI)  # fmt: skip
    flush_at_shutdown: bool = option(
        "profile_flush_at_shutdown",
        kinds.BOOLEAN,
        "Remove the profile (not KCachegrind's) at shutdown; false: it stays.",
        "true",
        applies=Applies.WSGI,
    )
    unwind: bool = option("profile_unwind", kinds.BOOLEAN, "Unwind the iterator of the response.", "false",
                          applies=Applies.WSGI)  # fmt: skip
