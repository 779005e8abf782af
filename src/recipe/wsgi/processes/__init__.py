"""The processes of a server that has workers.

`supervisor` forks the workers of the servers in `recipe.wsgi.loop`, and replaces those that end. For gunicorn
its own arbiter does that. `worker` is the code of a worker, of gunicorn's too: it loads the application and reports to
the supervising process, which reads the reports in `channel`. `recipe.wsgi.shared_sockets` assigns the listening
sockets to the workers.
"""
