"""The logs of the server: their lines, who writes them, and who opens them again."""
