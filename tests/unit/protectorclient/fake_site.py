"""A small Keystone and a small Protector on one port, speaking HTTP, for the tests of the client.

It shares no code with the product: it is written from `docs/reference/rest-api.md`, so that a wrong belief of the
client cannot hide in it. Work is accepted with a passing state, and each reading of it moves it one state on.
"""

import collections
import dataclasses
import http.server
import json
import re
import threading
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
MASKED = "*** (masked)"


@dataclasses.dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, *entries: Body) -> None:
        super().__init__(str(entries))
        self.status = status
        self.entries = entries


def refusal(status: int, code: str, detail: str, **more: str) -> Refusal:
    return Refusal(status, {"status": status, "code": code, "title": code, "detail": detail, **more})


class FakeSite:
    """One site. Everything it holds may be read and set by a test."""

    def __init__(self, name: str, project_name: str = "production") -> None:
        self.name = name
        self.project_id = uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}/{project_name}").hex
        self.projects = {project_name: self.project_id}
        self.admin = True
        self.password = "s3cr3t"
        self.token = f"token-{name}"
        self.service = ("protector", "protector")
        """Type and name under which the catalog has the Protector."""
        self.seen: list[Seen] = []
        self.sites: list[Body] = []
        self.groups: list[Body] = []
        self.members: list[Body] = []
        self.policies: dict[str, Body] = {}
        self.operations: list[Body] = []
        self.tenant_mappings: list[Body] = []
        self.delegation: Body | None = None
        self.health: Body = {"components": [], "protection_groups": []}
        self.readings: dict[str, list[Body]] = collections.defaultdict(list)
        """What each reading of a thing (by its id) changes in it, one after the other."""
        self.refusals: list[tuple[str, str, Refusal]] = []
        """For the next call with this method and a path that ends so."""
        self.page_size = 100
        self.hang = threading.Event()
        """While this is cleared, requests arrive and are not answered."""
        self.hang.set()
        self.silent_reads = 0
        """How many readings of operations are answered by nobody (the connection is closed)."""
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def cloud(self) -> Body:
        """Its entry of clouds.yaml."""
        return {
            "auth": {
                "auth_url": f"{self.url}/identity/v3",
                "username": "dr-admin",
                "password": "s3cr3t",
                "project_name": "production",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": "RegionOne",
        }

    def stop(self) -> None:
        """Gone: connections are refused from now on. Stopping twice is fine."""
        self.hang.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def refuse(self, method: str, ending: str, error: Refusal) -> None:
        self.refusals.append((method, ending, error))

    def sent(self, method: str, ending: str) -> list[Seen]:
        return [item for item in self.seen if item.method == method and item.path.endswith(ending)]

    def operation(self, operation_type: str, **fields: Any) -> Body:
        record: Body = {
            "id": str(uuid.uuid4()),
            "protection_group_id": self.groups[0]["id"] if self.groups else None,
            "protection_group_name": self.groups[0]["name"] if self.groups else None,
            "operation_type": operation_type,
            "status": "running",
            "progress": 0,
            "current_step": None,
            "source_site_id": "id-site-a",
            "source_site": "site-a",
            "target_site_id": "id-site-b",
            "target_site": "site-b",
            "started_at": "2025-06-01T10:00:00Z",
            "completed_at": None,
            "error_message": None,
            "steps_completed": [],
            "steps_failed": [],
            "result_data": None,
            "recovery_point_at": None,
            "warnings": [],
            "force": False,
            "cleanup": None,
        } | fields
        self.operations.insert(0, record)
        return record

    def answer(self, request: Seen) -> tuple[int, Body | None]:
        """The answer to one call of the Protector."""
        for index, (method, ending, error) in enumerate(self.refusals):
            if method == request.method and request.path.endswith(ending):
                del self.refusals[index]
                raise error
        parsed = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(parsed.query))
        for method, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, parsed.path)
            if method == request.method and found:
                names = {key: urllib.parse.unquote(value) for key, value in found.groupdict().items()}
                if names.pop("project", self.project_id) != self.project_id:
                    raise refusal(403, "forbidden", "The path's project is not the token's")
                return handler(self, names, request.body or {}, query)
        raise refusal(404, "not_found", f"No such path: {parsed.path}")

    def advance(self, record: Body) -> Body:
        changes = self.readings[record["id"]]
        if changes:
            record.update(changes.pop(0))
        return record

    def find(self, records: list[Body], wanted: str) -> Body:
        for record in records:
            if wanted in (record["id"], record.get("name")):
                return record
        raise refusal(404, "not_found", "No such thing")


Names = dict[str, str]
Answer = tuple[int, Body | None]


def _identity(site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    keys = {"signing_key": f"sign-{site.name}", "sealing_key": f"seal-{site.name}"}
    return 200, {"identity": {"site_name": site.name, **keys}}


def _admin_only(site: FakeSite) -> None:
    if not site.admin:
        raise refusal(403, "forbidden", "Policy does not allow this")


def _list_sites(site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    _admin_only(site)
    return 200, {"sites": site.sites}


def _create_site(site: FakeSite, _names: Names, body: Body, _query: Names) -> Answer:
    record = {"description": None, "region_name": None, "status": "active", **body["site"]}
    if any(item["name"] == record["name"] for item in site.sites):
        raise refusal(409, "site.exists", f"A site named {record['name']} exists")
    record["is_local"] = record["name"] == site.name
    site.sites.append(record)
    return 201, {"site": record}


def _show_site(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    return 200, {"site": site.find(site.sites, names["site"])}


def _delete_site(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    site.sites.remove(site.find(site.sites, names["site"]))
    return 204, None


def _validate_site(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    record = site.find(site.sites, names["site"])
    status = "ok" if record["status"] == "active" else "error"
    checks = [
        {"name": name, "status": status, "detail": "Reachable"} for name in ("keystone", "nova", "cinder", "neutron")
    ]
    capabilities = {"replication_types": ["async"]}
    return 200, {
        "validation": {
            "site": record["name"],
            "status": record["status"],
            "checks": checks,
            "capabilities": capabilities,
        }
    }


def _volume_types(_site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    kinds = [("t1", "replicated-ssd", True, "async"), ("t2", "standard", False, None)]
    keys = ("id", "name", "replication_enabled", "replication_type")
    return 200, {"volume_types": [dict(zip(keys, kind, strict=True)) for kind in kinds]}


def _project_sites(site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    keys = ("id", "name", "site_type", "status", "region_name", "is_local")
    return 200, {"sites": [{key: item.get(key) for key in keys} for item in site.sites]}


def _list_mappings(site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    return 200, {"tenant_mappings": site.tenant_mappings}


def _create_mapping(site: FakeSite, _names: Names, body: Body, _query: Names) -> Answer:
    record = {"id": str(uuid.uuid4()), **body["tenant_mapping"]}
    site.tenant_mappings.append(record)
    return 201, {"tenant_mapping": record}


def _delete_mapping(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    site.tenant_mappings.remove(site.find(site.tenant_mappings, names["id"]))
    return 204, None


def _get_delegation(site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    if site.delegation is None:
        raise refusal(404, "delegation.not_found", "There is no delegation")
    return 200, {"delegation": site.delegation}


def _put_delegation(site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    site.delegation = {
        "project_id": site.project_id,
        "trust_id": f"trust-{site.name}",
        "trustor_user_id": "user-1",
        "status": "active",
        "checked_at": "2025-06-01T10:00:00Z",
    }
    return 200, {"delegation": site.delegation}


def _delete_delegation(site: FakeSite, names: Names, body: Body, query: Names) -> Answer:
    _get_delegation(site, names, body, query)
    site.delegation = None
    return 204, None


def _list_groups(site: FakeSite, _names: Names, _body: Body, query: Names) -> Answer:
    wanted = [
        item for item in site.groups if all(item[key] == query[key] for key in ("name", "status") if key in query)
    ]
    return 200, {"protection_groups": wanted}


def _create_group(site: FakeSite, _names: Names, body: Body, _query: Names) -> Answer:
    record = group(**body["protection_group"], status="creating", consistency_group_id=None)
    site.groups.append(record)
    after = site.readings.pop("next group", [{}, {"status": "active", "consistency_group_id": "cg-1"}])
    site.readings[record["id"]] = after
    return 202, {"protection_group": dict(record)}


def _show_group(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    record = site.advance(site.find(site.groups, names["pg"]))
    if record["status"] == "gone":
        site.groups.remove(record)
        raise refusal(404, "not_found", "No such group")
    return 200, {"protection_group": record | {"policy": site.policies.get(record["id"])}}


def _update_group(site: FakeSite, names: Names, body: Body, _query: Names) -> Answer:
    record = site.find(site.groups, names["pg"])
    record.update(body["protection_group"])
    return 200, {"protection_group": record}


def _delete_group(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    record = site.find(site.groups, names["pg"])
    site.readings[record["id"]] = [{"status": "deleting"}, {"status": "gone"}]
    return 202, None


def _list_members(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    return 200, {"members": [item for item in site.members if item["protection_group_id"] == names["pg"]]}


def _add_member(site: FakeSite, names: Names, body: Body, _query: Names) -> Answer:
    record = {
        "id": str(uuid.uuid4()),
        "protection_group_id": names["pg"],
        "instance_id": body["member"]["instance_id"],
        "instance_name": None,
        "status": "adding",
        "volumes_added": 0,
        "error_message": None,
    }
    site.members.append(record)
    after = site.readings.pop(
        "next member", [{"status": "protected", "instance_name": "web-server-1", "volumes_added": 2}]
    )
    site.readings[record["id"]] = after
    return 202, {"member": dict(record)}


def _show_member(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    record = site.advance(site.find(site.members, names["member"]))
    if record["status"] == "gone":
        site.members.remove(record)
        raise refusal(404, "not_found", "No such member")
    return 200, {"member": record}


def _remove_member(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    record = site.find(site.members, names["member"])
    site.readings[record["id"]] = [{"status": "removing"}, {"status": "gone"}]
    return 202, None


def _create_policy(site: FakeSite, names: Names, body: Body, _query: Names) -> Answer:
    defaults = {"replication_interval": 300, "rpo_minutes": 15, "status": "applying", "error_message": None}
    masked = {"primary_fa_api_token": MASKED, "secondary_fa_api_token": MASKED}
    record = {"id": f"policy-{names['pg']}", "protection_group_id": names["pg"], **defaults, **body["policy"], **masked}
    site.policies[names["pg"]] = record
    site.readings[record["id"]] = [{}, {"status": "active"}]
    return 202, {"policy": record}


def _show_policy(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    if names["pg"] not in site.policies:
        raise refusal(404, "policy.not_found", "The group has no replication policy")
    return 200, {"policy": site.advance(site.policies[names["pg"]])}


def _sync_status(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    record = site.find(site.groups, names["pg"])
    status = {
        "protection_group_id": record["id"],
        "sync_status": "IN SYNC",
        "remote_sync_status": record["remote_sync_status"],
        "metadata_version": record["metadata_version"],
        "remote_sync_version": record["remote_sync_version"],
        "failover_epoch": record["failover_epoch"],
        "remote_failover_epoch": record["failover_epoch"],
        "debts": [],
        "checked_at": "2025-06-01T10:00:00Z",
    }
    return 200, {"sync_status": status}


def _sync(site: FakeSite, names: Names, body: Body, query: Names) -> Answer:
    if body["force"]:
        return 202, {"operation": site.operation("sync_force")}
    return _sync_status(site, names, body, query)


def _action(site: FakeSite, names: Names, body: Body, _query: Names) -> Answer:
    site.find(site.groups, names["pg"])
    ((key, arguments),) = body.items()
    fields = site.readings.pop("next operation", [{}])
    record = site.operation(key, force=bool(arguments.get("force")), **fields[0])
    site.readings[record["id"]] = fields[1:]
    return 202, {"operation": dict(record)}


def _list_operations(site: FakeSite, _names: Names, _body: Body, query: Names) -> Answer:
    keys = [key for key in ("protection_group_id", "operation_type", "status") if key in query]
    found = [item for item in site.operations if all(item[key] == query[key] for key in keys)]
    if "marker" in query:
        found = found[[item["id"] for item in found].index(query["marker"]) + 1 :]
    limit = int(query.get("limit", site.page_size))
    links = [{"rel": "next", "href": "elsewhere"}] if len(found) > limit else []
    return 200, {"operations": found[:limit], "operations_links": links}


def _show_operation(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    return 200, {"operation": site.advance(site.find(site.operations, names["op"]))}


def _cleanup(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    return 202, {"operation": site.advance(site.find(site.operations, names["op"]))}


def _cancel(site: FakeSite, names: Names, _body: Body, _query: Names) -> Answer:
    record = site.find(site.operations, names["op"])
    record["status"] = "rolling_back"
    return 202, {"operation": record}


def _health(site: FakeSite, _names: Names, _body: Body, _query: Names) -> Answer:
    return 200, {"health": site.health}


P = r"/v1/(?P<project>[0-9a-f]{32})"
G = P + r"/protection-groups"
ROUTES: list[tuple[str, str, Callable[[FakeSite, Names, Body, Names], Answer]]] = [
    ("GET", r"/v1/admin/identity", _identity),
    ("GET", r"/v1/admin/sites", _list_sites),
    ("POST", r"/v1/admin/sites", _create_site),
    ("GET", r"/v1/admin/sites/(?P<site>[^/]+)", _show_site),
    ("DELETE", r"/v1/admin/sites/(?P<site>[^/]+)", _delete_site),
    ("POST", r"/v1/admin/sites/(?P<site>[^/]+)/validate", _validate_site),
    ("GET", r"/v1/admin/sites/(?P<site>[^/]+)/volume-types", _volume_types),
    ("GET", r"/v1/admin/tenant-mappings", _list_mappings),
    ("POST", r"/v1/admin/tenant-mappings", _create_mapping),
    ("DELETE", r"/v1/admin/tenant-mappings/(?P<id>[^/]+)", _delete_mapping),
    ("GET", r"/v1/health", _health),
    ("GET", P + r"/sites", _project_sites),
    ("GET", P + r"/delegation", _get_delegation),
    ("PUT", P + r"/delegation", _put_delegation),
    ("DELETE", P + r"/delegation", _delete_delegation),
    ("GET", G, _list_groups),
    ("POST", G, _create_group),
    ("GET", G + r"/(?P<pg>[^/]+)", _show_group),
    ("PATCH", G + r"/(?P<pg>[^/]+)", _update_group),
    ("DELETE", G + r"/(?P<pg>[^/]+)", _delete_group),
    ("GET", G + r"/(?P<pg>[^/]+)/members", _list_members),
    ("POST", G + r"/(?P<pg>[^/]+)/members", _add_member),
    ("GET", G + r"/(?P<pg>[^/]+)/members/(?P<member>[^/]+)", _show_member),
    ("DELETE", G + r"/(?P<pg>[^/]+)/members/(?P<member>[^/]+)", _remove_member),
    ("GET", G + r"/(?P<pg>[^/]+)/policy", _show_policy),
    ("POST", G + r"/(?P<pg>[^/]+)/policy", _create_policy),
    ("GET", G + r"/(?P<pg>[^/]+)/sync-status", _sync_status),
    ("POST", G + r"/(?P<pg>[^/]+)/sync", _sync),
    ("POST", G + r"/(?P<pg>[^/]+)/action", _action),
    ("GET", P + r"/operations", _list_operations),
    ("GET", P + r"/operations/(?P<op>[^/]+)", _show_operation),
    ("POST", P + r"/operations/(?P<op>[^/]+)/cleanup", _cleanup),
    ("POST", P + r"/operations/(?P<op>[^/]+)/cancel", _cancel),
]


def group(name: str, **fields: Any) -> Body:
    """A protection group as the API answers it."""
    record: Body = {
        "id": str(uuid.uuid4()),
        "name": name,
        "description": None,
        "status": "active",
        "replication_type": "async",
        "primary_site": "site-a",
        "secondary_site": "site-b",
        "consistency_group_id": "cg-1",
        "member_count": 0,
        "failover_count": 0,
        "last_failover_at": None,
        "last_replication_at": None,
        "failover_epoch": 1,
        "metadata_version": 7,
        "remote_sync_status": "SYNCED",
        "remote_sync_version": 7,
        "error_message": None,
    } | fields
    return {"current_primary_site": record["primary_site"]} | record


def _tokens(site: FakeSite, body: Body) -> tuple[int, Body]:
    user = body["auth"]["identity"]["password"]["user"]
    if user["password"] != site.password:
        return 401, {
            "error": {
                "code": 401,
                "message": "The request you have made requires authentication.",
                "title": "Unauthorized",
            }
        }

    def service(kind: str, path: str, name: str = "keystone") -> Body:
        endpoint = {
            "id": kind,
            "interface": "public",
            "region": "RegionOne",
            "region_id": "RegionOne",
            "url": site.url + path,
        }
        return {"id": kind, "type": kind, "name": name, "endpoints": [endpoint]}

    token = {
        "methods": ["password"],
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "issued_at": "2025-01-01T00:00:00.000000Z",
        "user": {"id": "user-1", "name": user["name"], "domain": {"id": "default", "name": "Default"}},
        "project": {"id": site.project_id, "name": "production", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r1", "name": "admin"}],
        "catalog": [service("identity", "/identity/v3"), service(site.service[0], "/dr", site.service[1])],
    }
    return 201, {"token": token}


def _identity_service(site: FakeSite, request: Seen) -> tuple[int, Body]:
    parsed = urllib.parse.urlsplit(request.path)
    path = parsed.path.removeprefix("/identity/v3").rstrip("/")
    if path == "/auth/tokens":
        return _tokens(site, request.body)
    if path == "/projects":
        wanted = dict(urllib.parse.parse_qsl(parsed.query))["name"]
        return 200, {
            "projects": [{"id": value, "name": name} for name, value in site.projects.items() if name == wanted]
        }
    if path.startswith("/projects/"):
        named = [{"id": value, "name": name} for name, value in site.projects.items() if value == path.split("/")[2]]
        return (200, {"project": named[0]}) if named else (404, {"error": {"code": 404, "message": "not found"}})
    links = [{"rel": "self", "href": f"{site.url}/identity/v3/"}]
    return 200, {"version": {"id": "v3.14", "status": "stable", "links": links}}


def _handler(site: FakeSite) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Two writes per answer would wait for one another's acknowledgement.
        wbufsize = -1

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the requests are kept in `seen`."""

        def _serve(self) -> None:
            site.hang.wait()
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            request = Seen(self.command, self.path, body, dict(self.headers))
            if site.silent_reads and self.command == "GET" and "/operations/" in self.path:
                site.silent_reads -= 1
                self.close_connection = True
                return
            site.seen.append(request)
            self._send(*self._answer(request))

        def _answer(self, request: Seen) -> tuple[int, Body | None]:
            if request.path.startswith("/identity"):
                return _identity_service(site, request)
            inner = dataclasses.replace(request, path=request.path.removeprefix("/dr"))
            try:
                return site.answer(inner)
            except Refusal as error:
                return error.status, {"errors": list(error.entries)}

        def _send(self, status: int, body: Body | None) -> None:
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Subject-Token", site.token)
            self.send_header("X-Openstack-Request-Id", "req-1")
            self.send_header("Content-Length", str(len(content)))
            # One request per connection: a stopped site is silent at once, not after its idle connections end.
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    return Handler
