"""The layers around the application, as plain WSGI; `deploy` says in which order and why."""
