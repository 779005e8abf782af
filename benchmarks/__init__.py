"""Benchmarks of the recipe's instances against those of plone.recipe.zope2instance 9.1.0: ``make bench``.

``measure`` lets contenders take turns, and has the statistics. Each subject is a module that builds its contenders and
declares what is compared. ``report`` writes the results; ``sites`` and ``processes`` have what several subjects use.
"""

import sys
from pathlib import Path

# The harness of the tests also builds and runs the instances of the benchmarks.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
