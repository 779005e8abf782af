"""A part as buildout has given it, before its options are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipe.buildout.registry import Given
from recipe.options.declare import Context
from recipe.options.kinds import TRUE


@dataclass(frozen=True)
class Part:
    """What one run goes by.

    options         all its options, as they were at the beginning
    given           the same without the path of a zope.conf that is to be made
    context         what the text of an option may refer to
    relative_paths  what ``[buildout]`` says, for a part that does not say it
    """

    buildout: Any
    name: str
    options: Mapping[str, str]
    given: Mapping[str, str]
    context: Context
    relative_paths: bool


def read_part(recipe: Given) -> Part:
    """Take from buildout what the run needs to know of a part."""
    options = dict(recipe.options)
    given = {key: text for key, text in options.items() if key != "zope-conf" or text != recipe.made_conf}
    context = Context(
        name=recipe.name,
        directory=recipe.buildout["buildout"]["directory"],
        location=options["location"],
        bin_directory=options["bin-directory"],
    )
    return Part(recipe.buildout, recipe.name, options, given, context, recipe.relative_paths.lower() in TRUE)
