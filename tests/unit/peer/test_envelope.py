"""Which messages are believed."""

import copy
import dataclasses
import json
from typing import Any

import pytest

from siterecovery.protector.domain.errors import Forbidden
from siterecovery.protector.domain.site import Site
from siterecovery.protector.peer.envelope import MAX_AGE, Kind, Message, Signed, opened, sign
from siterecovery.protector.peer.keys import Identity

NOW = 1_800_000_000.0
SENDER = Identity.generate()
SITE = Site("id-a", "site-a", "primary", "http://x", signing_key=SENDER.public.signing_key)
MESSAGE = Message(
    Kind.CLAIM, "site-a", "site-b", "g1", int(NOW), {"operation_id": "o1", "text": "naïve ✓", "n": [1, None, True]}
)


def receive(signed: object, **changed: Any) -> Message:
    given: dict[str, Any] = {"kind": Kind.CLAIM, "group_id": "g1", "sender": SITE, "receiver": "site-b", "now": NOW}
    return opened(signed, **{**given, **changed})


def test_what_was_signed_arrives() -> None:
    """A message survives the wire, also through a relay that prints it with other spacing and order."""
    signed = json.loads(json.dumps(sign(MESSAGE, SENDER), indent=3))
    signed["document"] = dict(reversed(signed["document"].items()))
    assert receive(signed) == MESSAGE


@pytest.mark.parametrize("field", ["kind", "site", "to", "group_id", "issued_at", "body"])
def test_an_altered_message_is_refused(field: str) -> None:
    """Whatever part of the message was altered, it is refused."""
    other = {
        "kind": "fence",
        "site": "site-c",
        "to": "site-c",
        "group_id": "g2",
        "issued_at": int(NOW) + 1,
        "body": {"x": 1},
    }
    signed = copy.deepcopy(sign(MESSAGE, SENDER))
    signed["document"][field] = other[field]
    signed["site"] = signed["document"]["site"]
    with pytest.raises(Forbidden):
        receive(signed)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"sender": None}, "replica.unknown_site"),
        ({"sender": dataclasses.replace(SITE, signing_key=None)}, "replica.unknown_site"),
        ({"receiver": "site-a"}, "replica.unknown_site"),
        (
            {"sender": dataclasses.replace(SITE, signing_key=Identity.generate().public.signing_key)},
            "replica.bad_signature",
        ),
        ({"sender": dataclasses.replace(SITE, signing_key="garbage")}, "replica.bad_signature"),
        ({"receiver": "site-c"}, "replica.misaddressed"),
        ({"group_id": "g2"}, "replica.misaddressed"),
        ({"kind": Kind.COMMIT}, "replica.misaddressed"),
        ({"now": NOW + MAX_AGE + 1}, "replica.too_old"),
        ({"now": NOW - MAX_AGE - 1}, "replica.too_old"),
    ],
)
def test_a_message_for_another_place_time_or_purpose_is_refused(changed: dict[str, Any], code: str) -> None:
    """A genuine message does not work anywhere, anytime or for anything but what it was written for, and the refusal says what to do."""
    with pytest.raises(Forbidden) as refused:
        receive(sign(MESSAGE, SENDER), **changed)
    assert refused.value.code == code
    assert refused.value.remedy


def test_the_age_limit_itself_is_still_good() -> None:
    """Clocks may differ by exactly the limit."""
    assert receive(sign(MESSAGE, SENDER), now=NOW + MAX_AGE) == MESSAGE


def test_a_document_may_be_older() -> None:
    """A metadata document is ordered by its (epoch, version), not by its time: it may lie on a relay."""
    document = dataclasses.replace(MESSAGE, kind=Kind.REPLICA)
    assert receive(sign(document, SENDER), kind=Kind.REPLICA, now=NOW + 86400) == document


GOOD: Signed = sign(MESSAGE, SENDER)


@pytest.mark.parametrize(
    "signed",
    [
        None,
        [],
        "text",
        {},
        {"document": [], "signature": "x"},
        {**GOOD, "signature": 7},
        {**GOOD, "site": "site-c"},
        {**GOOD, "document": {**GOOD["document"], "more": 1}},
        {**GOOD, "document": {k: v for k, v in GOOD["document"].items() if k != "to"}},
        {**GOOD, "document": {**GOOD["document"], "kind": "explode"}},
        {**GOOD, "document": {**GOOD["document"], "issued_at": True}},
        {**GOOD, "document": {**GOOD["document"], "issued_at": 1.5}},
        {**GOOD, "document": {**GOOD["document"], "body": "text"}},
        {**GOOD, "document": {**GOOD["document"], "body": {"x": float("nan")}}},
        {**GOOD, "document": {**GOOD["document"], "body": {"x": "\ud800"}}},
    ],
)
def test_what_is_no_message_is_refused(signed: object) -> None:
    """Anything malformed is a clear refusal, never a crash."""
    with pytest.raises(Forbidden) as refused:
        receive(signed)
    assert refused.value.code == "replica.malformed"
