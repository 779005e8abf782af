"""What the recipe's instances cost, beside those of plone.recipe.zope2instance 9.1.0: ``make bench``.

``measure`` has the frame: contenders that take turns, and the statistics. Each subject is a module that builds its
contenders and says what is compared. ``report`` writes down what was found; ``sites`` and ``processes`` are what the
subjects have in common.
"""

import sys
from pathlib import Path

# The harness of the tests builds and runs the instances here, too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
