"""Fills in the templates in ``src/recipe/templates``, with Jinja2."""

from collections.abc import Callable
from typing import Any

import jinja2
from jinja2.ext import Extension


def environment(writer: Callable[[Any], str], *extensions: type[Extension]) -> jinja2.Environment:
    """Return the templates; `writer` writes each value that is filled in."""
    return jinja2.Environment(
        extensions=extensions,
        loader=jinja2.PackageLoader("recipe"),
        finalize=writer,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def fill(template: str, **values: Any) -> str:
    """Return the text of a template, with its values filled in without quoting."""
    return environment(str).get_template(template).render(**values)
