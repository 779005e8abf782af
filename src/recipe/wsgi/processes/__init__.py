"""The processes of a server that has workers.

`pool` forks the workers and replaces those that end. `worker` is the code of a worker: it loads the application
and reports to the supervising process, which reads the reports in `channel`. `recipe.wsgi.shared_sockets` assigns the
listening sockets to the workers.
"""
