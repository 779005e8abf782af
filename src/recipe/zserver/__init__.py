"""ZServer, which exists for Python 2.7 only and so runs in an interpreter of its own.

`settings` says what follows from the options, `interpreter` asks the other Python, and ``py27.py``
is what runs in it. The control script has `recipe.control.zserver`.
"""

import os

#: The program for the other interpreter. It is run by its path: nothing else here is Python 2.
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "py27.py")
