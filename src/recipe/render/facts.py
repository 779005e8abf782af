"""Writes instance.json, which has the facts about an instance that the control script needs."""

import json
import os
from typing import Any

from recipe.describe.instance import Instance
from recipe.options import kinds


def render(instance: Instance) -> str:
    """Return the facts as JSON; with relative paths, these are relative to the directory of the file."""
    settings = instance.settings

    def path(text: str, mark: str = "$") -> str | None:
        if kinds.has_reference(text.removeprefix(instance.directory)):
            return ""  # the value is known only when the server runs
        text = instance.meaning(text, mark)
        inside = (text + "/").startswith(instance.directory + "/")
        return os.path.relpath(text, instance.etc) if inside and instance.relative_paths else text or None

    warnings = "" if instance.is_zserver else settings.zope.deprecation_warnings
    facts: dict[str, Any] = {
        "name": instance.name,
        "directory": path(instance.directory),
        "zope_conf": path(instance.zope_conf),
        "instance_home": path(instance.location),
        "client_home": path(settings.layout.client_home),
        "event_log": path(instance.event_log.file, instance.log_mark),
        "access_log": path(instance.access_log.file, instance.log_mark),
        "pid_file": path(settings.layout.pid_file),
        "effective_user": settings.process.effective_user,
        "python_flags": ["-W", f"{warnings}::DeprecationWarning"] if warnings else [],
        "listen": _listen(instance),
    }
    if instance.is_zserver:
        facts["zserver_python"] = path(settings.zserver.python or "")
    if settings.server.wsgi is True and not settings.server.ini_template and settings.server.workers > 1:
        facts["workers"] = settings.server.workers
    if settings.process.graceful_timeout is not None:
        facts["graceful_timeout"] = settings.process.graceful_timeout
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def _listen(instance: Instance) -> list[str]:
    """Return the addresses of the server; not those in a user's file, nor sockets in a tree that may be moved."""
    server = instance.settings.server
    if isinstance(server.wsgi, str) or server.ini_template:
        return []
    return [str(address) for address in instance.addresses if not (address.path and instance.relative_paths)]
