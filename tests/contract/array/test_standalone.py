"""`sandbox array` as the real OpenStack test bed uses it."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from contract.array.simulator import TOKENS, Simulator, simulator


def call(running: Simulator, array: str, method: str, path: str, body: object = None) -> httpx.Response:
    """One call over TLS, verified with the simulator's own certificate."""
    context = ssl.create_default_context(cafile=running.ca)
    with httpx.Client(base_url=running.url(array) + "/api", verify=context) as client:
        login = client.post("/2.26/login", headers={"api-token": TOKENS[array]})
        answer = client.request(method, path, json=body, headers={"x-auth-token": login.headers["x-auth-token"]})
        return answer.raise_for_status()


def test_volumes_and_certificate_outlive_a_restart(tmp_path: Path) -> None:
    """What was made before the end is there after the next start, under the same ids and the same certificate."""
    with simulator(tmp_path) as first:
        made = call(first, "array-a", "POST", "/2.26/volumes?names=v1", {"provisioned": 1 << 30}).json()["items"][0]
        first.control("POST", "/arrays/array-a/volumes/v1", {"generation": 12})
        first.control("POST", "/clock/advance", {"seconds": 3600})
        certificate, identity = Path(first.ca).read_bytes(), first.ready["arrays"]["array-a"]["id"]
    with simulator(tmp_path) as second:
        found = call(second, "array-a", "GET", "/2.26/volumes?names=v1").json()["items"][0]
        assert (found["id"], found["serial"]) == (made["id"], made["serial"])
        assert second.held("array-a")["volumes"][0]["generation"] == 12
        assert second.control("GET", "/clock")["now"] >= made["created"] / 1000 + 3600
        assert (Path(second.ca).read_bytes(), second.ready["arrays"]["array-a"]["id"]) == (certificate, identity)
