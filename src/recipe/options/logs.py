"""Options of the event log, the access log, Sentry and profiling."""

from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Applies, Into, option


@dataclass(frozen=True)
class EventLog:
    """The event log, to which Zope and all packages write."""

    INTO: ClassVar = (Into.WSGI_INI,)

    file: str = option(
        "event-log",
        kinds.LOG_FILE,
        "The file of the event log; the log also goes to the console. ``disable`` logs to the console only. "
        "``stdout`` and ``stderr``, for containers, log to that stream only.",
        "{var}/log/{name}.log",
        into=(Into.WSGI_INI, Into.FACTS),
    )
    format: str = option(
        "log-format",
        kinds.LOG_FORMAT,
        "The format of both logs: ``plain`` for text, or ``json`` for one JSON object on each line.",
        "plain",
        applies=Applies.WSGI,
    )
    level: str = option(
        "event-log-level",
        kinds.LEVEL,
        "The level of the loggers root, plone and waitress. Records below this level are not logged.",
        "INFO",
    )
    handler: str | None = option(
        "event-log-handler",
        kinds.DOTTED_NAME,
        "The class of the log handler, such as ``logging.handlers.SysLogHandler``. If left out, it is FileHandler.",
        applies=Applies.WSGI,
        instead="event-log-custom",
    )
    args: str | None = option(
        "event-log-args",
        kinds.TUPLE,
        "The arguments of the log handler; ``{0}`` stands for the name of the log file. If left out, they are "
        "``('FILE', 'a')``.",
        applies=Applies.WSGI,
        instead="event-log-custom",
    )
    kwargs: str = option(
        "event-log-kwargs",
        kinds.DICT,
        "The keyword arguments of the log handler.",
        "{{}}",
        applies=Applies.WSGI,
        instead="event-log-custom",
    )
    max_size: int | None = option(
        "event-log-max-size", kinds.SIZE, "The size at which the log is rotated. If left out, it is not rotated."
    )
    old_files: int = option("event-log-old-files", kinds.NUMBER, "The number of rotated log files to keep.", "1")


@dataclass(frozen=True)
class AccessLog:
    """The access log, which has one line for each request."""

    INTO: ClassVar = (Into.WSGI_INI,)

    file: str = option(
        "access-log",
        kinds.LOG_FILE,
        "The file of the access log, ``stdout`` or ``stderr``. ``disable`` switches the access log off.",
        "{var}/log/{name}-access.log",
        overridden_by=("z2-log",),
        zserver_default="{var}/log/{name}-Z2.log",
    )
    level: str = option(
        "access-log-level",
        kinds.LEVEL,
        "The level of the logger that logs requests. Records below this level are not logged.",
        "INFO",
        aliases=("z2-log-level",),
        zserver_default="WARN",
    )
    handler: str | None = option(
        "access-log-handler",
        kinds.DOTTED_NAME,
        "The class of the log handler, as in ``event-log-handler``.",
        applies=Applies.WSGI,
        instead="access-log-custom",
    )
    args: str | None = option(
        "access-log-args",
        kinds.TUPLE,
        "The arguments of the log handler, as in ``event-log-args``.",
        applies=Applies.WSGI,
        instead="access-log-custom",
    )
    kwargs: str = option(
        "access-log-kwargs",
        kinds.DICT,
        "The keyword arguments of the log handler.",
        "{{}}",
        applies=Applies.WSGI,
        instead="access-log-custom",
    )
    max_size: int | None = option(
        "access-log-max-size", kinds.SIZE, "The size at which the log is rotated. If left out, it is not rotated."
    )
    old_files: int = option("access-log-old-files", kinds.NUMBER, "The number of rotated log files to keep.", "1")


@dataclass(frozen=True)
class Sentry:
    """The Sentry filter of the pipeline. ``sentry_dsn`` switches it on."""

    INTO: ClassVar = (Into.WSGI_INI,)

    dsn: str = option(
        "sentry_dsn",
        kinds.SENTRY_DSN,
        "The DSN of the Sentry project. If empty, the Sentry filter is off.",
        "",
        applies=Applies.WSGI,
        secret=True,
    )
    level: str = option(
        "sentry_level",
        kinds.LEVEL,
        "Log records of this level and above become breadcrumbs.",
        "INFO",
        applies=Applies.WSGI,
    )
    event_level: str = option(
        "sentry_event_level",
        kinds.LEVEL,
        "Log records of this level and above become events.",
        "ERROR",
        applies=Applies.WSGI,
    )
    ignore: tuple[str, ...] = option(
        "sentry_ignore", kinds.WORDS, "The names of loggers whose records Sentry ignores.", "", applies=Applies.WSGI
    )
    max_value_length: int | None = option(
        "sentry_max_value_length",
        kinds.COUNT,
        "The length at which Sentry's SDK cuts off a value. If left out, the default of the SDK applies.",
        applies=Applies.WSGI,
    )
    environment: str | None = option(
        "sentry_environment",
        kinds.LINE,
        "The environment that Sentry shows with an event, such as ``production``. If left out, the environment "
        "variable ``SENTRY_ENVIRONMENT`` is used.",
        applies=Applies.WSGI,
    )
    release: str | None = option(
        "sentry_release",
        kinds.LINE,
        "The release that Sentry shows with an event. If left out, the environment variable ``SENTRY_RELEASE`` is "
        "used.",
        applies=Applies.WSGI,
    )
    server_name: str | None = option(
        "sentry_server_name",
        kinds.LINE,
        "The name of the server that Sentry shows with an event. If left out, the SDK uses the name of the host.",
        applies=Applies.WSGI,
    )
    traces_sample_rate: str | None = option(
        "sentry_traces_sample_rate",
        kinds.RATE,
        "The fraction of requests to trace. If left out, no request is traced.",
        applies=Applies.WSGI,
    )
    profiles_sample_rate: str | None = option(
        "sentry_profiles_sample_rate",
        kinds.RATE,
        "The fraction of traced requests to profile. If left out, no request is profiled.",
        applies=Applies.WSGI,
    )
    send_default_pii: bool | None = option(
        "sentry_send_default_pii",
        kinds.BOOLEAN,
        "Sends personal data: request bodies, cookies, users, client addresses, and the local variables of tracebacks.",
        applies=Applies.WSGI,
    )
    debug: bool | None = option(
        "sentry_debug", kinds.BOOLEAN, "Makes Sentry's SDK log what it does.", applies=Applies.WSGI
    )


@dataclass(frozen=True)
class Profile:
    """The profiler repoze.profile in the pipeline. ``profile`` switches it on."""

    INTO: ClassVar = (Into.WSGI_INI,)

    enabled: bool = option(
        "profile",
        kinds.BOOLEAN,
        "Puts repoze.profile into the pipeline. It measures where requests spend their time.",
        "off",
        applies=Applies.WSGI,
    )
    log_filename: str = option(
        "profile_log_filename",
        kinds.FILE_IN_DIRECTORY,
        "The file to which repoze.profile writes its profile.",
        "{var}/log/profile-{name}.raw",
        applies=Applies.WSGI,
    )
    cachegrind_filename: str = option(
        "profile_cachegrind_filename",
        kinds.FILE_IN_DIRECTORY,
        "The file to which repoze.profile writes its profile for KCachegrind. This needs ``pyprof2calltree`` among "
        "the eggs.",
        "{var}/log/cachegrind.out.{name}",
        applies=Applies.WSGI,
    )
    discard_first_request: bool = option(
        "profile_discard_first_request",
        kinds.BOOLEAN,
        "Leaves the first request out of the profile.",
        "true",
        applies=Applies.WSGI,
    )
    path: str = option(
        "profile_path",
        kinds.WORD,
        "The URL path of the page that shows the profile.",
        "/__profile__",
        applies=Applies.WSGI,
    )
    flush_at_shutdown: bool = option(
        "profile_flush_at_shutdown",
        kinds.BOOLEAN,
        "Removes the profile when the server stops, but not the one for KCachegrind. ``false`` keeps both.",
        "true",
        applies=Applies.WSGI,
    )
    unwind: bool = option(
        "profile_unwind",
        kinds.BOOLEAN,
        "Includes the iteration over the response in the profile.",
        "false",
        applies=Applies.WSGI,
    )
