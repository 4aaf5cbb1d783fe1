"""``python -m testbed``."""

import sys

from .cli import main

sys.exit(main())
