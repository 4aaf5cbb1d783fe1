"""Which changes of a group's status are written at once."""

import datetime

import pytest

from siterecovery.kubevirt.controllers.protection_group.status import CONVERGING, worth_writing
from siterecovery.kubevirt.crds.conditions import Condition, Truth
from siterecovery.kubevirt.crds.protection_group import CurrentState, MemberPhase, MemberStatus, Status
from siterecovery.kubevirt.domain import times

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def status(reason, message, *, phase=MemberPhase.STOPPING, ago=1.0):
    moment = times.stamp(NOW - datetime.timedelta(seconds=ago))
    said = Condition(type="Ready", status=Truth.FALSE, reason=reason, message=message, last_transition_time=moment)
    rows = [MemberStatus(name="a", phase=phase)]
    return Status(current_state=CurrentState.MIXED, last_observed_at=moment, conditions=[said], virtual_machines=rows)


def written(new, before):
    return worth_writing(new, before, NOW, rows_every=3.0, alive_every=120.0)


@pytest.mark.parametrize(("ago", "expected"), [(1.0, False), (4.0, True)])
def test_who_is_still_on_the_way_waits_for_the_rows(ago, expected):
    """A hundred VMs that stop one by one are no hundred writes."""
    before = status(CONVERGING, "on the way to stopped: a, b", ago=ago)

    assert written(status(CONVERGING, "on the way to stopped: b", phase=MemberPhase.STOPPED), before) is expected


def test_any_other_sentence_is_told_at_once():
    assert written(status("Retrying", "cluster1: no answer in time"), status("Retrying", "cluster1: refused"))
    assert written(status(CONVERGING, "on the way"), status("Retrying", "cluster1: refused"))
