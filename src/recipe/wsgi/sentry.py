"""The Sentry filter of the pipeline: ``use = egg:plone.recipe.zope2instance#sentry``."""

import logging
from collections.abc import Callable
from typing import Any

from recipe.common.errors import StartError

Environ = dict[str, Any]
Application = Callable[..., Any]


def filter_factory(
    global_conf: dict[str, str],
    dsn: str = "",
    level: str = "INFO",
    event_level: str = "ERROR",
    ignorelist: str = "",
    max_value_length: str = "",
    **settings: str,
) -> Callable[[Application], Application]:
    """PasteDeploy's filter factory: reports exceptions and log records to Sentry.

    dsn               of the Sentry project; without it Sentry's own ``SENTRY_DSN`` counts
    level             from it up, log records become breadcrumbs
    event_level       from it up, they become events
    ignorelist        names of loggers to ignore, white space between
    max_value_length  longer values are cut off, in characters
    settings          environment, release, server_name, traces_sample_rate,
                      profiles_sample_rate, send_default_pii, debug, as in the SDK

    Without send_default_pii no request's body, cookies or user are sent, and no local variables of
    the traceback's frames either, since those hold them. Exceptions that are an answer to the client
    (``NotFound``, ``Redirect``) are no events.

    Raises StartError where a setting is wrong or sentry-sdk is missing.
    """
    try:
        import sentry_sdk
        from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
        from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
        from sentry_sdk.utils import BadDsn
    except ImportError as error:
        raise StartError(f"the sentry filter: {error}; add plone.recipe.zope2instance[sentry] to eggs") from None

    levels = {name: _typed(name, text) for name, text in (("level", level), ("event_level", event_level))}
    options = {name: _typed(name, text) for name, text in settings.items() if text}
    if max_value_length:
        options["max_value_length"] = _typed("max_value_length", max_value_length)
    private = options.get("send_default_pii", False)
    try:
        # None lets the SDK read its environment variables
        sentry_sdk.init(
            dsn=dsn or None,
            integrations=[LoggingIntegration(**levels)],
            include_local_variables=private,
            before_send=_without_answers,
            **options,
        )
    except BadDsn as error:
        raise StartError(f"the sentry filter: the DSN is wrong: {error}") from None
    for name in ignorelist.split():
        ignore_logger(name)
    if not private:
        return SentryWsgiMiddleware
    return lambda app: SentryWsgiMiddleware(_with_personal_data(app))


def _without_answers(event: Any, hint: dict[str, Any]) -> Any:
    """Drop what Zope raises to answer with a status below 500; a filter around us makes the answer."""
    from zExceptions import HTTPException  # type: ignore[import-untyped]

    error = (hint.get("exc_info") or (None, None))[1]
    return None if isinstance(error, HTTPException) and error.getStatus() < 500 else event


def _with_personal_data(app: Application) -> Application:
    """`app`, with the request's cookies, body and user in its events."""
    import sentry_sdk

    from recipe.wsgi.personal import personal_data

    def application(environ: Environ, start_response: Any) -> Any:
        def add(event: Any, hint: Any) -> Any:
            for key, values in personal_data(environ).items():
                event.setdefault(key, {}).update(values)
            return event

        sentry_sdk.get_isolation_scope().add_event_processor(add)
        return app(environ, start_response)

    return application


def _level(text: str) -> int:
    number = logging.getLevelName(text.upper())
    if not isinstance(number, int):
        raise ValueError("not a log level")
    return number


def _boolean(text: str) -> bool:
    return text.lower() in ("true", "on", "yes", "1")


_TYPES: dict[str, Callable[[str], Any]] = {
    "level": _level,
    "event_level": _level,
    "max_value_length": int,
    "environment": str,
    "release": str,
    "server_name": str,
    "traces_sample_rate": float,
    "profiles_sample_rate": float,
    "send_default_pii": _boolean,
    "debug": _boolean,
}


def _typed(name: str, text: str) -> Any:
    if name not in _TYPES:
        raise StartError(f"the sentry filter knows no {name}; it knows dsn, ignorelist, {', '.join(_TYPES)}")
    try:
        return _TYPES[name](text)
    except ValueError as error:
        raise StartError(f"the sentry filter: {name} = {text}: {error}") from None
