"""What the sandbox's Neutron is held to, on the real one."""

from contract.cloud.test_network import *  # noqa: F403
