"""``plone.recipe.zope2instance.ctl.main``, which the generated scripts call."""

import sys

try:
    from recipe.control import main
except KeyboardInterrupt:  # Ctrl-C while the modules are read; `main` handles a later one
    sys.exit(130)

__all__ = ["main"]
