"""``plone.recipe.zope2instance.recipe.Recipe``, as ever."""

from recipe.buildout.recipe import Recipe

__all__ = ["Recipe"]
