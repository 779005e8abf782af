"""The code that runs in the server process; it needs nothing of buildout."""
