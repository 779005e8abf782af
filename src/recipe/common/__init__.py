"""What the doors and the running programs share. Imports no other room."""
