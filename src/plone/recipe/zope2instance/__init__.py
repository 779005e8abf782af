"""The import names that other people's code uses; the code is in ``recipe``.

``plone.recipe.zope2instance:main`` is the server factory that wsgi.ini names.
"""

__all__ = ["Recipe", "main"]


def __getattr__(name: str) -> object:
    if name == "Recipe":
        from recipe.buildout.recipe import Recipe

        return Recipe
    if name == "main":
        from recipe.wsgi.servers.waitress import server_factory

        return server_factory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
