"""Generates pages of the documentation from the declarations of options and servers."""
