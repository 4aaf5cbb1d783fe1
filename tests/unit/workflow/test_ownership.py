"""The last look before a call leaves."""

import threading

import pytest

from siterecovery.workflow.ownership import owned, still_owned
from siterecovery.workflow.step import Fenced


class Lost:
    """A lease that is lost after so many looks."""

    def __init__(self, good: int) -> None:
        self.good = good

    def __call__(self) -> None:
        self.good -= 1
        if self.good < 0:
            raise Fenced("the lease is lost")


def test_work_is_stopped_before_the_call_that_it_no_longer_owns() -> None:
    """Every look asks the owner; after the work nobody has to own anything any more."""
    sent = []

    def work() -> None:
        for number in range(3):
            still_owned()
            sent.append(number)

    with pytest.raises(Fenced):
        owned(Lost(2), work)
    assert sent == [0, 1]
    still_owned()


def test_one_threads_loss_is_not_anothers() -> None:
    """Two operations in two threads: only the one whose lease is lost stops."""
    seen = []

    def other() -> None:
        owned(lambda: None, still_owned)
        seen.append("sent")

    def work() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        still_owned()

    with pytest.raises(Fenced):
        owned(Lost(0), work)
    assert seen == ["sent"]
