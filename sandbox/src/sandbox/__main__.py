"""python -m sandbox: the command without its installed script."""

import sys

from sandbox.cli import main

sys.exit(main())
