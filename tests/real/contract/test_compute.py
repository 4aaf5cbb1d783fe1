"""What the sandbox's Nova is held to, on the real one."""

from contract.cloud.test_compute import *  # noqa: F403
