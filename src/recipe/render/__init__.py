"""A description as the text of files, one module for each kind of output. Pure: touches no disk."""
