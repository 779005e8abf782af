"""The name by which other distributions import what they describe their server with."""

from recipe.common.servers import Description

__all__ = ["Description"]
