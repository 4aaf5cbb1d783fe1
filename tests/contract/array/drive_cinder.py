"""Drives the real Cinder Pure driver; runs inside a Cinder venv, never in ours.

    python drive_cinder.py INPUT.json OUTPUT.json

INPUT: `state` (a directory), `control` and per array `port` and `token`. Cinder gets a real configuration file, a real
SQLite database and real objects; only its services are missing. OUTPUT: what each step answered, and what the arrays
held after it according to the control port, for the tests to judge.
"""

# What it drives stands in another venv, which the type checker of this one cannot see.
# mypy: disable-error-code="import-not-found"
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

GIB = 1 << 30
PROJECT = "6f70656e737461636b"

CONFIGURATION = """
[DEFAULT]
state_path = {state}
enabled_backends = pure1
[database]
connection = sqlite:///{state}/cinder.sqlite
[oslo_concurrency]
lock_path = {state}
[coordination]
backend_url = file://{state}
[pure1]
volume_backend_name = pure
san_ip = 127.0.0.1:{port_a}
pure_api_token = {token_a}
replication_device = backend_id:array-b,san_ip:127.0.0.1:{port_b},api_token:{token_b},type:async
pure_replica_interval_default = 300
"""


class Scenario:
    """Cinder without its services: a context, a database, the driver, and the record of what happened."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.facts: dict[str, Any] = {}
        state = Path(given["state"])
        arrays = given["arrays"]
        file = state / "cinder.conf"
        file.write_text(
            CONFIGURATION.format(
                state=state,
                port_a=arrays["array-a"]["port"],
                token_a=arrays["array-a"]["token"],
                port_b=arrays["array-b"]["port"],
                token_b=arrays["array-b"]["token"],
            )
        )
        from cinder import context, coordination, objects

        objects.register_all()
        import cinder.volume.manager  # noqa: F401  (registers the options)
        from cinder.common import config  # noqa: F401
        from cinder.db import migration
        from oslo_config import cfg

        cfg.CONF(["--config-file", str(file)], project="cinder")
        migration.db_sync()
        coordination.COORDINATOR.start()
        self.objects = objects
        self.context = context.RequestContext("dr-admin", PROJECT, is_admin=True)

    def start_driver(self) -> None:
        """As cinder-volume does on start."""
        from cinder import utils
        from cinder.volume import configuration, driver
        from cinder.volume.drivers import pure

        utils.get_root_helper()
        options = configuration.Configuration(driver.volume_opts, config_group="pure1")
        self.driver = pure.PureISCSIDriver(configuration=options, host="cinder@pure1")
        self.driver.do_setup(self.context)
        self.driver.check_for_setup_error()
        self.driver.set_initialized()
        self.record("setup", self.driver.VERSION)

    def make_types(self) -> None:
        from cinder.volume import group_types, volume_types

        replicated = {"replication_enabled": "<is> True", "replication_type": "<in> async"}
        self.types = {
            name: volume_types.create(self.context, name, {"volume_backend_name": "pure", **specs})["id"]
            for name, specs in (("standard", {}), ("replicated", replicated))
        }
        specs = {"consistent_group_snapshot_enabled": "<is> True"}
        self.group_type = group_types.create(self.context, "consistent", specs)["id"]

    def volume(self, name: str, kind: str = "standard") -> Any:
        """A row as the API makes it before the driver is asked."""
        volume = self.objects.Volume(
            self.context,
            display_name=name,
            size=1,
            project_id=PROJECT,
            user_id="dr-admin",
            status="creating",
            host="cinder@pure1#pure",
            volume_type_id=self.types[kind],
            availability_zone="nova",
        )
        volume.create()
        return self.objects.Volume.get_by_id(self.context, volume.id)

    def save(self, volume: Any, update: Any) -> Any:
        """As the manager stores what the driver answers; the driver's own words for nothing are None and {}."""
        volume.update({"status": "available", **(update or {})})
        volume.save()
        return self.objects.Volume.get_by_id(self.context, volume.id)

    def attempt(self, step: str, act: Any) -> Any:
        """Run a step; an exception is a fact, not the end."""
        try:
            answer = act()
        except Exception as error:  # noqa: BLE001 - every failure is a fact, and the tests read it
            self.record(step, f"{type(error).__name__}: {error}")
            return None
        self.record(step, answer)
        return answer

    def record(self, step: str, answer: Any) -> None:
        self.facts[step] = {
            "answer": json.loads(json.dumps(answer, default=str)),
            "arrays": {name: self.control("GET", f"/arrays/{name}/state") for name in self.given["arrays"]},
        }

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.given["control"] + path, data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def run(self) -> None:
        self.make_types()
        self.start_driver()
        self.volumes()
        self.groups()
        self.attach()
        self.manage()
        self.attempt("stats", lambda: self.driver.get_volume_stats(refresh=True))

    def volumes(self) -> None:
        plain = self.volume("plain")
        self.plain = self.save(plain, self.attempt("create", lambda: self.driver.create_volume(plain)))
        wanted = self.volume("wanted", "replicated")
        self.wanted = self.save(wanted, self.attempt("create replicated", lambda: self.driver.create_volume(wanted)))
        self.attempt("extend", lambda: self.driver.extend_volume(self.plain, 2))
        snapshot = self.objects.Snapshot(self.context, volume_id=self.plain.id, project_id=PROJECT, user_id="dr-admin")
        snapshot.create()
        self.attempt("snapshot", lambda: self.driver.create_snapshot(snapshot))
        clone = self.volume("clone")
        self.attempt("from snapshot", lambda: self.driver.create_volume_from_snapshot(clone, snapshot))
        self.attempt("delete snapshot", lambda: self.driver.delete_snapshot(snapshot))

    def groups(self) -> None:
        group = self.objects.Group(
            self.context,
            name="group",
            project_id=PROJECT,
            user_id="dr-admin",
            group_type_id=self.group_type,
            volume_type_ids=[self.types["standard"]],
            host="cinder@pure1",
            status="creating",
        )
        group.create()
        self.facts["group id"] = group.id
        self.attempt("create group", lambda: self.driver.create_group(self.context, group))
        self.attempt("add", lambda: self.driver.update_group(self.context, group, [self.plain], []))
        group.update({"status": "available"})
        group.save()
        self.plain.update({"group_id": group.id})
        self.plain.save()
        taken = self.objects.GroupSnapshot(
            self.context,
            group_id=group.id,
            group_type_id=self.group_type,
            project_id=PROJECT,
            user_id="dr-admin",
        )
        taken.create()
        taken = self.objects.GroupSnapshot.get_by_id(self.context, taken.id)
        self.facts["group snapshot id"] = taken.id
        self.attempt("group snapshot", lambda: self.driver.create_group_snapshot(self.context, taken, []))
        self.attempt("delete group snapshot", lambda: self.driver.delete_group_snapshot(self.context, taken, []))
        self.attempt("remove", lambda: self.driver.update_group(self.context, group, [], [self.plain]))
        self.plain.update({"group_id": None})
        self.plain.save()
        self.plain = self.objects.Volume.get_by_id(self.context, self.plain.id)
        self.attempt("delete group", lambda: self.driver.delete_group(self.context, group, []))

    def attach(self) -> None:
        connector = {"initiator": "iqn.1993-08.org.debian:01:c0ffee", "host": "compute-1", "multipath": False}
        self.attempt("attach", lambda: self.driver.initialize_connection(self.plain, connector))
        busy = self.volume("busy")
        reference = {"source-name": f"volume-{self.plain.id}-cinder"}
        self.attempt("manage connected", lambda: self.driver.manage_existing(busy, reference))
        self.attempt("detach", lambda: self.driver.terminate_connection(self.plain, connector))

    def manage(self) -> None:
        self.attempt("unmanage", lambda: self.driver.unmanage(self.plain))
        reference = {"source-name": f"volume-{self.plain.id}-cinder-unmanaged"}
        managed = self.volume("managed", "replicated")
        self.facts["managed id"] = managed.id
        self.attempt("size", lambda: self.driver.manage_existing_get_size(managed, reference))
        update = self.attempt("manage", lambda: self.driver.manage_existing(managed, reference))
        managed = self.save(managed, update)
        absent = {"source-name": "nowhere"}
        self.attempt("manage absent", lambda: self.driver.manage_existing_get_size(managed, absent))
        rows = self.objects.VolumeList.get_all(self.context)
        self.attempt("manageable", lambda: self.driver.get_manageable_volumes(rows, None, 100, 0, ["size"], ["asc"]))
        self.attempt("delete", lambda: self.driver.delete_volume(managed))
        self.facts["ids"] = {"plain": self.plain.id, "wanted": self.wanted.id, "managed": managed.id}


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    scenario = Scenario(given)
    scenario.run()
    Path(sys.argv[2]).write_text(json.dumps(scenario.facts))


if __name__ == "__main__":
    main()
