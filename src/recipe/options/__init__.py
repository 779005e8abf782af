"""The options of a part: declared once each, in groups that are read from the part's text."""

from recipe.options.part import Settings, declared, hints, read
from recipe.options.problems import Problems

__all__ = ["Problems", "Settings", "declared", "hints", "read"]
