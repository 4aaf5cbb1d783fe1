"""Values and their text in the row."""

import dataclasses
import json
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine.default import DefaultDialect

from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.member import Member, Port, Rebuild, Volume, VolumeCopy
from siterecovery.protector.domain.operation import Debt, FailedStep, Operation
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.site import Delegation, Site, TenantMapping
from siterecovery.protector.domain.states import OperationStatus
from siterecovery.protector.store import tables
from siterecovery.protector.store.columns import Named, build, to_json
from siterecovery.protector.store.session import order_us, to_text
from support.records import filled

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (tables.sites, Site),
        (tables.protection_groups, ProtectionGroup),
        (tables.members, Member),
        (tables.volumes, Volume),
        (tables.volume_copies, VolumeCopy),
        (tables.policies, Policy),
        (tables.operations, Operation),
        (tables.debts, Debt),
        (tables.tenant_mappings, TenantMapping),
        (tables.delegations, Delegation),
    ],
)
def test_each_field_has_a_column(table: sa.Table, kind: Any) -> None:
    """A field that is added to a noun needs a column of its name, and a migration."""
    assert {field.name for field in dataclasses.fields(kind)} <= set(table.c.keys())


@settings(deadline=None)
@given(JSON)
def test_json_survives(value: Any) -> None:
    """Whatever JSON can say is read as it was written, in text that every database stores."""
    text = to_json(value)
    assert text.isascii()
    assert "\0" not in text
    assert build(Any, json.loads(text)) == value


@pytest.mark.parametrize("kind", [Rebuild, Port, Claim, Generation, FailedStep])
def test_structures_survive(kind: type) -> None:
    """Nested values come back as their own types, tuples included."""
    value: Any = filled(kind)
    assert build(kind, json.loads(to_json(value))) == value


def test_a_row_of_another_release_is_readable() -> None:
    """Keys that this release does not know are ignored, and missing ones get their defaults."""
    assert build(Claim, {"epoch": 4, "from_the_future": 1}) == Claim(epoch=4)


@pytest.mark.parametrize("value", [{"token": Secret("hidden")}, [Secret("hidden")], {"when": object()}, {1, 2}])
def test_what_is_not_json_is_refused(value: Any) -> None:
    """A secret or an object inside JSON is an error, which does not show it, and never a row."""
    with pytest.raises(TypeError) as refusal:
        to_json(value)
    assert "hidden" not in str(refusal.value)


def test_states_are_checked_on_their_way_in() -> None:
    """A word that is no state of the noun is refused before it reaches the database."""
    with pytest.raises(ValueError, match="paused"):
        Named(OperationStatus).process_bind_param("paused", DefaultDialect())
    assert OperationStatus("failed") in OperationStatus


def test_times_have_the_format_of_records() -> None:
    """Microseconds become the second they lie in, UTC."""
    assert to_text(1_780_000_000_999_999) == "2026-05-28T20:26:40Z"


@settings(deadline=None)
@given(st.integers(0, 5_000_000))
def test_listings_never_contradict_what_they_show(later: int) -> None:
    """A row stands within the second it shows, and rows made one after the other in that second stay in order."""
    shown, begin = "2026-05-28T20:26:40Z", 1_780_000_000_000_000
    first, second = order_us(shown, begin + later), order_us(shown, begin + later + 1)
    assert begin <= first <= second <= begin + 999_999
    assert to_text(first) == to_text(second) == shown
