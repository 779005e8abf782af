"""What runs inside the server process, and nothing that buildout needs."""
