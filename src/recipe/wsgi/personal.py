"""What a request tells of a person: its cookies, its body, and the user that it is of."""

import json
from email import message_from_bytes
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

MAX_BODY = 10_000  # bytes; what the SDK sends of a body with `max_request_body_size` "medium", its default


def personal_data(environ: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The personal data of a WSGI request, as an event has them.

    ``request`` with ``cookies`` and ``data``, ``user`` with ``ip_address``
    and ``username``
    (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/request/). What there is
    not, or cannot be read again, is left out.
    """
    request: dict[str, Any] = {}
    if cookies := _cookies(environ.get("HTTP_COOKIE", "")):
        request["cookies"] = cookies
    if data := _data(environ.get("CONTENT_TYPE", ""), _body(environ)):
        request["data"] = data
    # The SDK takes the address from a header that any client can send; Zope writes the user when it knows
    names = {"ip_address": "REMOTE_ADDR", "username": "REMOTE_USER"}
    user = {name: environ[key] for name, key in names.items() if environ.get(key)}
    return {key: values for key, values in (("request", request), ("user", user)) if values}


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _body(environ: dict[str, Any]) -> bytes:
    """The whole body, as far as the server can rewind it and it is not long; the stream stays where it was."""
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
    """The fields of a form, or what JSON says; the SDK takes passwords out of them by their names."""
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
