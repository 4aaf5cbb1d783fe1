"""python -m sandbox.array: the arrays on their own."""

import sys

from sandbox.array.standalone import main

sys.exit(main())
