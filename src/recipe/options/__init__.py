"""The options of a part: declared once each, in groups that are read from the part's text."""

from recipe.options.reading import read
from recipe.options.settings import Settings, declared
from recipe.options.unknown import hints

__all__ = ["Settings", "declared", "hints", "read"]
