"""Writes to the disk: the generated files, the list of them, and the links to eggs."""
