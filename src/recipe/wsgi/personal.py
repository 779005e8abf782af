"""The personal data in a request: its cookies, its body, and its user."""

import json
from email import message_from_bytes
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

MAX_BODY = 10_000  # bytes; the limit of the SDK's default for `max_request_body_size`, "medium"


def personal_data(environ: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the personal data of a WSGI request as a part of an event.

    ``request`` has ``cookies`` and ``data``; ``user`` has ``ip_address`` and ``username``
    (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/request/). Values that do not exist, or cannot
    be read again, are left out.
    """
    request: dict[str, Any] = {}
    if cookies := _cookies(environ.get("HTTP_COOKIE", "")):
        request["cookies"] = cookies
    if data := _data(environ.get("CONTENT_TYPE", ""), _body(environ)):
        request["data"] = data
    # The SDK would take the address from a header that any client can send; Zope sets REMOTE_USER after authentication
    names = {"ip_address": "REMOTE_ADDR", "username": "REMOTE_USER"}
    user = {name: environ[key] for name, key in names.items() if environ.get(key)}
    return {key: values for key, values in (("request", request), ("user", user)) if values}


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _body(environ: dict[str, Any]) -> bytes:
    """Return the whole body, if it is short and can be read again; the position of the stream is restored."""
    stream: Any = environ.get("wsgi.input")
    try:
        place = stream.tell()
        stream.seek(0)
        body: bytes = stream.read(MAX_BODY + 1)
        stream.seek(place)
    except (AttributeError, OSError, ValueError):
        return b""
    return body if len(body) <= MAX_BODY else b""


def _data(content_type: str, body: bytes) -> Any:
    """Return the fields of a form, or parsed JSON; the SDK removes passwords by the names of fields."""
    match content_type.partition(";")[0].strip().lower():
        case "application/x-www-form-urlencoded":
            fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
            return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
        case "multipart/form-data":
            return _multipart(content_type, body)
        case "application/json":
            try:
                return json.loads(body)
            except ValueError:
                return None
    return None


def _multipart(content_type: str, body: bytes) -> dict[str, str]:
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts: list[Any] = message.get_payload() if message.is_multipart() else []  # type: ignore[assignment]
    return {
        str(part.get_param("name", header="content-disposition")): "[file]"
        if part.get_filename()
        else part.get_payload(decode=True).decode("utf-8", "replace")
        for part in parts
    }
