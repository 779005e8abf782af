"""The processes of a server that has workers, and who runs whom.

`supervisor` forks the workers and replaces those that end (gunicorn has a master of its own). `worker` is what a worker
does, also one of gunicorn's: it loads the application and tells the supervisor, which hears it through `channel`.
`shared_sockets` says at which sockets each worker accepts.
"""
