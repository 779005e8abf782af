"""The Sentry filter of the pipeline: ``use = egg:plone.recipe.zope2instance#sentry``."""

from collections.abc import Callable
from typing import Any

from recipe.wsgi.errors import StartError

Application = Callable[..., Any]


def filter_factory(
    global_conf: dict[str, str],
    dsn: str = "",
    level: str = "INFO",
    event_level: str = "ERROR",
    ignorelist: str = "",
    max_value_length: str = "",
    **more: str,
) -> Callable[[Application], Application]:
    """PasteDeploy's filter factory: reports exceptions and log records to Sentry.

    dsn               of the Sentry project; without it Sentry's own ``SENTRY_DSN`` counts
    level             from it up, log records become breadcrumbs
    event_level       from it up, they become events
    ignorelist        names of loggers to ignore, white space between
    max_value_length  longer values are cut off, in characters
    more              environment, release, server_name, traces_sample_rate,
                      profiles_sample_rate, send_default_pii, debug, as in the SDK

    Raises StartError for a wrong DSN, TypeError for another setting, and ImportError where
    sentry-sdk is missing.
    """
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
    from sentry_sdk.utils import BadDsn

    settings = _typed(more)
    if max_value_length:
        settings["max_value_length"] = int(max_value_length)
    try:
        sentry_sdk.init(
            # None lets the SDK read its environment variables
            dsn=dsn or None,
            integrations=[LoggingIntegration(level=_number(level), event_level=_number(event_level))],
            **settings,
        )
    except BadDsn as error:
        raise StartError(f"the sentry filter: the DSN is wrong: {error}") from None
    for name in ignorelist.split():
        ignore_logger(name)
    return SentryWsgiMiddleware


def _number(level: str) -> int:
    import logging

    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        raise ValueError(f"{level!r} is not a log level")
    return number


def _boolean(text: str) -> bool:
    return text.lower() in ("true", "on", "yes", "1")


_TYPES: dict[str, Callable[[str], Any]] = {
    "environment": str,
    "release": str,
    "server_name": str,
    "traces_sample_rate": float,
    "profiles_sample_rate": float,
    "send_default_pii": _boolean,
    "debug": _boolean,
}


def _typed(settings: dict[str, str]) -> dict[str, Any]:
    unknown = sorted(settings.keys() - _TYPES)
    if unknown:
        raise TypeError(f"the sentry filter knows no {', '.join(unknown)}; it knows {', '.join(_TYPES)}")
    return {name: _TYPES[name](text) for name, text in settings.items() if text}
