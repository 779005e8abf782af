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
    """Return a filter that reports exceptions and log records to Sentry: PasteDeploy's filter factory.

    dsn               the DSN of the Sentry project; default: the environment variable ``SENTRY_DSN``
    level             log records of this level and above become breadcrumbs
    event_level       log records of this level and above become events
    ignorelist        names of loggers to ignore, separated by white space
    max_value_length  the maximum length of a value, in characters; longer values are truncated
    settings          environment, release, server_name, traces_sample_rate, profiles_sample_rate, send_default_pii
                      and debug, as in the SDK

    Without send_default_pii the SDK sends neither the body, the cookies and the user of a request nor the local
    variables of a traceback, which may contain them. Exceptions that are responses to the client (``NotFound``,
    ``Redirect``) are not sent.

    Raises StartError if a setting is wrong or sentry-sdk is missing.
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
        # With None the SDK reads its environment variables
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
    """Drop exceptions that Zope answers with a status below 500; return other events."""
    from zExceptions import HTTPException  # type: ignore[import-untyped]

    error = (hint.get("exc_info") or (None, None))[1]
    return None if isinstance(error, HTTPException) and error.getStatus() < 500 else event


def _with_personal_data(app: Application) -> Application:
    """Return `app`, with the cookies, the body and the user of a request in its events."""
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
        raise StartError(f"the sentry filter has no setting {name}; allowed: dsn, ignorelist, {', '.join(_TYPES)}")
    try:
        return _TYPES[name](text)
    except ValueError as error:
        raise StartError(f"the sentry filter: {name} = {text}: {error}") from None
