"""The first version of the API: `Client(session)` has one manager for each noun."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from protectorclient.v1.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    # The commands of the plugin are imported by every `openstack` call; the SDK only by those that use it.
    if name == "Client":
        from protectorclient.v1.client import Client

        return Client
    raise AttributeError(name)
