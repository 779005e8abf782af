"""What the control script must know of an instance, as the text of its instance.json."""

import json
import os
from typing import Any

from recipe.describe.instance import Instance
from recipe.options import kinds


def render(instance: Instance) -> str:
    """What the control script must know, as JSON; with relative paths, relative to the file itself."""
    settings = instance.settings

    def path(text: str, mark: str = "$") -> str | None:
        if kinds.has_reference(text.removeprefix(instance.directory)):
            return ""  # only the server can tell
        text = instance.meaning(text, mark)
        inside = (text + "/").startswith(instance.directory + "/")
        return os.path.relpath(text, instance.etc) if inside and instance.relative_paths else text or None

    warnings = "" if instance.is_zserver else settings.zope.deprecation_warnings
    known: dict[str, Any] = {
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
        known["zserver_python"] = path(settings.zserver.python or "")
    if settings.server.wsgi is True and not settings.server.ini_template and instance.server.workers:
        known["workers"] = settings.server.workers
    if settings.process.graceful_timeout is not None:
        known["graceful_timeout"] = settings.process.graceful_timeout
    return json.dumps(known, indent=2, ensure_ascii=False) + "\n"


def _listen(instance: Instance) -> list[str]:
    """Where the server is known to listen: not where a file of the user's says it, nor in a tree that may move."""
    server = instance.settings.server
    if isinstance(server.wsgi, str) or server.ini_template:
        return []
    return [str(address) for address in instance.addresses if not (address.path and instance.relative_paths)]
