"""What the sandbox's Keystone is held to, on the real one."""

from contract.cloud.test_identity import *  # noqa: F403
