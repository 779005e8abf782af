"""The typed description of an instance, and how it follows from the options. Pure: touches no disk."""
