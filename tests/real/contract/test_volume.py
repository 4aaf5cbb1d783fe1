"""What the sandbox's Cinder is held to, on the real one."""

from contract.cloud.test_volume import *  # noqa: F403
