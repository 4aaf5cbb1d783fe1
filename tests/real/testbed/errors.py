"""What can go wrong with the test bed.

TestbedError                 every failure a person is told about
├── InstallError             a package or the virtualenv could not be made
├── StartError               a process died or did not become ready in time
└── StateError               what is on disk does not fit the command (not initialised, still running, …)
"""


class TestbedError(Exception):
    """A failure with a message that says what to do; the command line prints it and ends with 1."""

    __test__ = False  # pytest must not take a class called Test… for a test


class InstallError(TestbedError):
    """A Debian package or the virtualenv could not be made."""


class StartError(TestbedError):
    """A process died, or did not become ready in time."""


class StateError(TestbedError):
    """What is on disk does not fit what was asked for."""
