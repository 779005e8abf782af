"""All options of a part, as typed values."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recipe.options.declare import Option, options_of
from recipe.options.instance import Layout, Process, Scripts, Zope
from recipe.options.logs import AccessLog, EventLog, Profile, Sentry
from recipe.options.server import Server, ZServer
from recipe.options.storage import Storage
from recipe.options.zcml import Zcml


@dataclass(frozen=True)
class Settings:
    """All options of a part, parsed, with their defaults."""

    layout: Layout
    zope: Zope
    scripts: Scripts
    process: Process
    server: Server
    zserver: ZServer
    event_log: EventLog
    access_log: AccessLog
    sentry: Sentry
    profile: Profile
    storage: Storage
    zcml: Zcml


#: The groups of options, by the names that `Settings` has for them.
GROUPS: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(Settings)}


def declared() -> Iterator[Option]:
    """All options, group by group."""
    for group in GROUPS.values():
        yield from options_of(group).values()
