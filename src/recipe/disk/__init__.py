"""All that writes: files, the list of them, and the links to eggs."""
