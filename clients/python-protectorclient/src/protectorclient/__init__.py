"""Python SDK and OpenStackClient plugin for Protector."""
