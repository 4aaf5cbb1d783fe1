"""Storage on LINSTOR: one controller (or several, of which one serves) for the satellites of all clusters, spoken to over its REST."""

from siterecovery.kubevirt.storage.linstor.driver import LinstorStorage
from siterecovery.kubevirt.storage.linstor.settings import LinstorSettings

__all__ = ["LinstorSettings", "LinstorStorage"]
