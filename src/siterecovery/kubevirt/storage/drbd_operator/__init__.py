"""Storage on the DRBD Operator: a DRBDVolume object of the same handle in each cluster is one replicated volume, without a controller over both."""

from siterecovery.kubevirt.storage.drbd_operator.driver import DrbdOperatorStorage
from siterecovery.kubevirt.storage.drbd_operator.objects import Objects, Volumes

__all__ = ["DrbdOperatorStorage", "Objects", "Volumes"]
