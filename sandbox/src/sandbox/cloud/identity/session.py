"""Tokens over HTTP: login, validation, revocation, and what a token may see of itself."""

from __future__ import annotations

from sandbox.cloud.errors import Forbidden, NotFound
from sandbox.cloud.identity import views
from sandbox.cloud.identity.auth import authenticate
from sandbox.cloud.identity.model import Token
from sandbox.cloud.wire import Call, Reply, Route


def login(call: Call) -> Reply:
    """Issue a token; its id travels in a header only."""
    identity = call.cloud.identity
    token = authenticate(identity.directory, identity.tokens, call.body)
    body = views.token(token, identity.directory, with_catalog="nocatalog" not in call.query)
    return Reply(201, body, {"X-Subject-Token": token.id, "Vary": "X-Auth-Token"})


def validate(call: Call) -> Reply:
    """What keystonemiddleware asks about every token it has not seen lately."""
    token = _subject(call)
    body = views.token(token, call.cloud.identity.directory, with_catalog="nocatalog" not in call.query)
    return Reply(200, None if call.method == "HEAD" else body, {"X-Subject-Token": token.id, "Vary": "X-Auth-Token"})


def revoke(call: Call) -> Reply:
    """End a token."""
    call.cloud.identity.tokens.revoke(_subject(call).id)
    return Reply(204)


def _subject(call: Call) -> Token:
    """The token asked about: one's own, or anybody's for administrators and services."""
    wanted = call.headers.get("X-Subject-Token", "")
    if wanted != call.who.id and not call.who.role_names & {"admin", "service"}:
        raise Forbidden("You are not authorized to perform the requested action: identity:validate_token.")
    token = call.cloud.identity.tokens.find(wanted)
    if token is None:
        raise NotFound("Could not find token.")
    return token


def own_catalog(call: Call) -> Reply:
    """The catalog of the asking token."""
    directory = call.cloud.identity.directory
    links = {"self": f"{call.cloud.url_of('identity')}/auth/catalog", "previous": None, "next": None}
    return Reply(200, {"catalog": views.catalog(directory, call.who), "links": links})


def own_projects(call: Call) -> Reply:
    """The projects this user could have a token for."""
    directory = call.cloud.identity.directory
    base = call.cloud.url_of("identity")
    mine = {project for user, project, _ in directory.assignments if user == call.who.user_id}
    listing = [views.project(item, base) for item in directory.projects.values() if item.id in mine]
    return Reply(200, {"projects": listing, "links": {"self": f"{base}/auth/projects", "previous": None, "next": None}})


def version(call: Call) -> Reply:
    """GET /v3."""
    return Reply(200, {"version": _version(call)})


def versions(call: Call) -> Reply:
    """GET /: 300 with every version there is."""
    return Reply(300, {"versions": {"values": [_version(call)]}})


def _version(call: Call) -> dict[str, object]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.cloud.url_of('identity')}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


ROUTES = (
    Route("GET", "/", versions, public=True),
    Route("GET", "/v3", version, public=True),
    Route("GET", "/v3/", version, public=True),
    Route("POST", "/v3/auth/tokens", login, public=True),
    Route("GET", "/v3/auth/tokens", validate),
    Route("HEAD", "/v3/auth/tokens", validate),
    Route("DELETE", "/v3/auth/tokens", revoke),
    Route("GET", "/v3/auth/catalog", own_catalog),
    Route("GET", "/v3/auth/projects", own_projects),
)
