"""One door: all that knows zc.buildout. No other room imports ``zc.*``.

`recipe.buildout.recipe` is what buildout calls; `uninstall` is what it calls for a part that is gone. It is imported
only when asked for: most runs of buildout do not need it.
"""

__all__ = ["uninstall"]


def __getattr__(name: str) -> object:
    if name == "uninstall":
        from recipe.buildout.removal import uninstall

        return uninstall
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
