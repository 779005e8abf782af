"""The module from which other distributions import `Description`, to describe their server."""

from recipe.common.servers import Description

__all__ = ["Description"]
