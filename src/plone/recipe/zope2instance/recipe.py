"""``plone.recipe.zope2instance.recipe.Recipe``, as ever."""

from recipe.face import Recipe

__all__ = ["Recipe"]
