"""Start nova-compute with the hypervisor of `testbed_guests.py`.

usage: serve_compute.py [ARGUMENT of nova-compute …]

Nova loads hypervisors from its own package `nova.virt` only, so that package is shown this directory as well. Nova's
command is imported before everything else because it settles how threads work. Runs in the services' virtualenv.
"""

from nova.cmd import compute  # type: ignore[import-not-found] # isort: skip

from pathlib import Path

import nova.virt  # type: ignore[import-not-found]

if __name__ == "__main__":
    nova.virt.__path__.append(str(Path(__file__).parent))
    compute.main()
