"""The signed message between two Protectors, and everything that is checked before one is believed.

On the wire: `{"document": message, "signature": base64, "site": sender's name}`. The signature covers the canonical JSON of the message (sorted keys,
no spaces, UTF-8), so that a relay that parses and prints it again does not break it. What is signed names sender, receiver, group, kind
and time: a message can be repeated only where repeating it is harmless.

Every refusal is Forbidden (403) and changes nothing:
replica.malformed · replica.unknown_site · replica.bad_signature · replica.misaddressed · replica.too_old
"""

import dataclasses
import enum
import json
from collections.abc import Mapping
from typing import Any

from siterecovery.protector.domain.errors import Forbidden
from siterecovery.protector.domain.site import Site
from siterecovery.protector.peer.keys import Identity, verify

MAX_AGE = 300.0
"""Seconds by which the sender's clock and ours may differ, transport included, for everything but a document (whose (epoch, version) orders it)."""


class Kind(enum.StrEnum):
    """What a message asks for; REPLICA is the metadata document, which may lie on a relay for a while."""

    REPLICA = "replica"
    CLAIM = "claim"
    REVOKE = "revoke"
    COMMIT = "commit"
    HOLD = "hold"
    RELEASE = "release"
    FENCE = "fence"
    FORGET = "forget"


@dataclasses.dataclass(frozen=True)
class Message:
    """`site` and `to` are names of sites, `issued_at` seconds since 1970 by the sender's clock."""

    kind: Kind
    site: str
    to: str
    group_id: str
    issued_at: int
    body: dict[str, Any]

    def canonical(self) -> bytes:
        return canonical(self.plain())

    def plain(self) -> dict[str, Any]:
        """The body as it is: it is JSON already, and large."""
        return {**vars(self), "kind": self.kind.value}


Signed = dict[str, Any]
"""A message on the wire."""


def canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sign(message: Message, identity: Identity) -> Signed:
    return {
        "document": message.plain(),
        "signature": identity.sign(message.canonical()),
        "site": message.site,
    }


def sender_name(signed: object) -> str:
    """Who claims to have written it: only good for looking up the key that then proves it."""
    return _message_and_signature(signed)[0].site


def opened(signed: object, *, kind: Kind, group_id: str, sender: Site | None, receiver: str, now: float) -> Message:
    """The message, its signature by the registered `sender` checked. `now` in seconds since 1970, the receiver's clock. Raises Forbidden."""
    message, signature = _message_and_signature(signed)
    if sender is None or not sender.signing_key or message.site == receiver:
        raise _refused(
            "unknown_site",
            f"No site '{message.site}' with a signing key is registered here.",
            "Register the site on both Protectors (site create exchanges the keys).",
        )
    if not verify(sender.signing_key, message.canonical(), signature):
        raise _refused(
            "bad_signature",
            f"The signature is not that of site '{sender.name}': the message was altered, or the site has a new key.",
            "If the site was installed anew, register it again; otherwise find out who altered the message.",
        )
    if (message.site, message.kind, message.to, message.group_id) != (sender.name, kind, receiver, group_id):
        raise _refused(
            "misaddressed",
            f"The message is a {message.kind} from '{message.site}' to '{message.to}' for group {message.group_id}, not a {kind} "
            f"from '{sender.name}' to '{receiver}' for group {group_id}.",
            "Both Protectors must know the two sites by the same names.",
        )
    if kind is not Kind.REPLICA:
        check_age(message, now)
    return message


def check_age(message: Message, now: float, max_age: float = MAX_AGE) -> None:
    """A frozen sender's message, or a recorded one, must not act later. Raises Forbidden."""
    if abs(now - message.issued_at) > max_age:
        raise _refused(
            "too_old",
            f"The message was issued {now - message.issued_at:.0f} s from this site's time; {max_age:.0f} s are allowed.",
            "Check the clocks of both sites (NTP), then repeat the request.",
        )


def _message_and_signature(signed: object) -> tuple[Message, str]:
    problem = _refused(
        "malformed", "This is not a signed message of a Protector.", "Relay it unchanged, as it was read."
    )
    if not isinstance(signed, Mapping) or not isinstance(signed.get("document"), Mapping):
        raise problem
    fields, signature = signed["document"], signed.get("signature")
    kinds = {"site": str, "to": str, "group_id": str, "issued_at": int, "body": dict, "kind": str}
    if set(fields) != set(kinds) or any(type(fields[name]) is not kind for name, kind in kinds.items()):
        raise problem
    if (
        fields["kind"] not in set(Kind)
        or not isinstance(signature, str)
        or signed.get("site", fields["site"]) != fields["site"]
    ):
        raise problem
    message = Message(**{**fields, "kind": Kind(fields["kind"])})
    try:
        message.canonical()
    except ValueError as error:  # NaN, lone surrogates: nothing that a Protector writes
        raise problem from error
    return message, signature


def _refused(reason: str, detail: str, remedy: str) -> Forbidden:
    return Forbidden(detail, code=f"replica.{reason}", remedy=remedy)
