"""The logs of the server: the format of their lines, writing them, and reopening the files."""
