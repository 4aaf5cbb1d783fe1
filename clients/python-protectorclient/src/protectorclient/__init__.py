"""Python SDK and OpenStackClient plugin for Protector."""

# One place for the version: setuptools reads it from here, and it is sent as the User-Agent.
__version__ = "0.1.0"
