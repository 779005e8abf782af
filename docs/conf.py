"""Sphinx builds the documentation by this: ``make docs``."""

import re
from pathlib import Path

project = "plone.recipe.zope2instance"
author = "the contributors"
found = re.search(r'version="([^"]+)"', Path(__file__).parent.parent.joinpath("setup.py").read_text(encoding="utf-8"))
assert found
release = found[1]
extensions = ["sphinx.ext.autosectionlabel"]
autosectionlabel_prefix_document = True
html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
highlight_language = "none"
exclude_patterns = ["_build"]
nitpicky = True
