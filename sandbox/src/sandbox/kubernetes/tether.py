"""Become another program that the kernel ends together with the process that asked for it.

    python -I -S tether.py PARENT_PID PROGRAM ARGUMENT...

Set before `exec` and kept by it, so no code runs between fork and exec in a parent with threads. SIGKILL: what is left behind by a
killed test session has nobody to wait for its good manners.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the process that asked for this one is gone already")
    os.execv(sys.argv[2], sys.argv[2:])
