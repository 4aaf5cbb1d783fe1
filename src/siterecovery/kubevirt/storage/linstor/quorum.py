"""Quorum switched off for a forced failover, and on again. Record and change travel in one call, so neither is ever without the other."""

import json
from typing import Any

from siterecovery.kubevirt.storage.base import Forced, NoSuchVolume, Refused
from siterecovery.kubevirt.storage.linstor.client import LinstorClient
from siterecovery.kubevirt.storage.linstor.marks import AUTO_QUORUM, BY_USER, FORCED, QUORUM, SET_BY
from siterecovery.kubevirt.storage.linstor.paths import definition_path

_KEPT = (AUTO_QUORUM, QUORUM, SET_BY)


async def properties(client: LinstorClient, volume: str) -> dict[str, str]:
    """Of the resource definition itself, not what it inherits."""
    found = await client.get("/v1/resource-definitions", volume, {"resource_definitions": [volume]})
    if not found:
        raise NoSuchVolume(f"LINSTOR knows no volume {volume}.", volume=volume)
    return dict(found[0].get("props") or {})


async def switch_off(client: LinstorClient, volume: str) -> Forced:
    """A record that is there already is what counts: what is set now is our own doing."""
    props = await properties(client, volume)
    before = _record(props, volume) if FORCED in props else {key: props.get(key) for key in _KEPT}
    wanted = {AUTO_QUORUM: "disabled", QUORUM: "off"}
    if FORCED not in props or any(props.get(key) != value for key, value in wanted.items()):
        body = {"override_props": {**wanted, FORCED: json.dumps(before, sort_keys=True)}}
        await client.put(definition_path(volume), body, volume)
    return Forced(volume, before)


async def restore(client: LinstorClient, volume: str) -> None:
    """What people had set is set again; what LINSTOR had set by itself is given back to its automatic. The record goes last: a call that got
    lost is made again."""
    props = await properties(client, volume)
    if FORCED not in props:
        return
    before = _record(props, volume)
    by_hand = before.get(SET_BY) == BY_USER
    override = {AUTO_QUORUM: before[AUTO_QUORUM]} if before.get(AUTO_QUORUM) else {}
    delete = [] if before.get(AUTO_QUORUM) else [AUTO_QUORUM]
    if by_hand and before.get(QUORUM):
        override[QUORUM] = before[QUORUM]
    else:
        delete.append(QUORUM)
    await client.put(definition_path(volume), _change(override, delete), volume)
    if before.get(QUORUM) and (await properties(client, volume)).get(QUORUM) != before[QUORUM]:
        # A LINSTOR whose automatic does not come to the same end by itself.
        await client.put(definition_path(volume), _change({QUORUM: before[QUORUM]}, []), volume)
    await client.put(definition_path(volume), _change({}, [FORCED]), volume)


def _change(override: dict[str, Any], delete: list[str]) -> dict[str, Any]:
    return {"override_props": override, "delete_props": delete}


def _record(props: dict[str, str], volume: str) -> dict[str, str | None]:
    try:
        found = json.loads(props[FORCED])
    except ValueError as error:
        raise Refused(
            f"The record of volume {volume}'s quorum ({FORCED}) cannot be read.",
            remedy=f"Set {QUORUM} by hand (linstor resource-definition drbd-options --quorum majority {volume}) and delete that property.",
            volume=volume,
        ) from error
    return {key: found.get(key) for key in _KEPT}
