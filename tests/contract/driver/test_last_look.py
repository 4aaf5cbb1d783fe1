"""An array is not asked to change anything by somebody who has lost the operation meanwhile."""

import pytest

from contract.driver.harness import FlashArrayWorld
from siterecovery.workflow.ownership import owned
from siterecovery.workflow.step import Fenced


def test_a_change_is_not_sent_once_the_lease_is_lost(flasharray: FlashArrayWorld) -> None:
    """The look is the last thing before the request leaves, so that no connection that takes its time can hide a freeze; reading goes on."""
    driver = flasharray.driver
    flasharray.make_volume("site-a", "last-look-source")
    looks = []

    def lost() -> None:
        looks.append("asked")
        raise Fenced("the lease is lost")

    with pytest.raises(Fenced):
        owned(lost, lambda: driver.copy_out("site-a", "last-look-source", "last-look-copy", {"group": "g"}))
    assert owned(lost, lambda: driver.volume("site-a", "last-look-copy")) is None
    assert looks == ["asked"]
    assert driver.copy_out("site-a", "last-look-source", "last-look-copy", {"group": "g"}).name == "last-look-copy"
