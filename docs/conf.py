"""The configuration of Sphinx, which builds the documentation: ``make docs``."""

import re
from pathlib import Path

project = "plone.recipe.zope2instance"
author = "the contributors"
version_line = re.search(
    r'version="([^"]+)"', Path(__file__).parent.parent.joinpath("setup.py").read_text(encoding="utf-8")
)
assert version_line
release = version_line[1]
extensions = ["sphinx.ext.autosectionlabel", "sphinx.ext.graphviz"]
graphviz_output_format = "svg"
autosectionlabel_prefix_document = True
html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
highlight_language = "none"
exclude_patterns = ["_build"]
nitpicky = True
