"""``plone.recipe.zope2instance.ctl.main``, which the generated scripts call."""

from recipe.control import main

__all__ = ["main"]
