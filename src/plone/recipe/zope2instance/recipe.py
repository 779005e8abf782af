"""``plone.recipe.zope2instance.recipe.Recipe``, as ever."""

from recipe.buildout import Recipe

__all__ = ["Recipe"]
