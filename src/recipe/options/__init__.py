"""The options of a part: declared once each, in groups that are read from the part's text."""

from recipe.options.problems import Problems
from recipe.options.reading import Settings, declared, hints, read

__all__ = ["Problems", "Settings", "declared", "hints", "read"]
