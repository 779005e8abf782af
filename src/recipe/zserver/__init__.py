"""ZServer, which exists for Python 2.7 only: ``py27.py`` is what runs there, and all that this room has."""
