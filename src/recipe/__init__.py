"""A buildout part described, rendered and run as a Zope instance.

``Recipe`` is buildout's face. It is imported only when asked for: the control
script and the server import this package too, and must not pay for buildout.
"""

__all__ = ["Recipe"]


def __getattr__(name: str) -> object:
    if name == "Recipe":
        from recipe.buildout.recipe import Recipe

        return Recipe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
