"""The templates in ``src/recipe/templates``, filled in by Jinja2."""

from collections.abc import Callable
from typing import Any

import jinja2
from jinja2.ext import Extension


def environment(writer: Callable[[Any], str], *extensions: type[Extension]) -> jinja2.Environment:
    """The templates, with every value that is filled in written by `writer`."""
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
    """The text of a template that no value is quoted in."""
    return environment(str).get_template(template).render(**values)
