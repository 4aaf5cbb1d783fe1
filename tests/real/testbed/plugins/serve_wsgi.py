"""Serve the WSGI application of one OpenStack service with waitress.

usage: serve_wsgi.py MODULE PORT [ARGUMENT …]

The services read the command line when their module is imported, so theirs (ARGUMENT …) takes the place of ours first.
Threads are the operating system's own: no service patches anything here. Runs in the services' virtualenv.
"""

import importlib
import sys

import waitress


def main() -> None:
    """Import the application and serve it on loopback until a signal ends the process."""
    module, port, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    application = importlib.import_module(module).application
    waitress.serve(
        application,
        host="127.0.0.1",
        port=int(port),
        threads=8,
        ident=None,
        channel_timeout=300,
        asyncore_use_poll=True,
    )


if __name__ == "__main__":
    main()
