"""The parts of the buildout that runs in this process."""

import logging
from collections.abc import MutableMapping
from typing import Any, Protocol
from weakref import WeakValueDictionary


class Given(Protocol):
    """A part as buildout passes it, before its options are read; see `recipe.buildout.recipe.Recipe`."""

    buildout: Any
    name: str
    options: MutableMapping[str, str]
    log: logging.Logger
    made_conf: str
    relative_paths: str


#: By their location.
parts: WeakValueDictionary[str, Given] = WeakValueDictionary()
