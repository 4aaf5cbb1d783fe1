"""The application and the layers around it.

From the outside in, and why in this order:

1. request id    everything below can name the request, also in a refusal
2. metrics       counts every answer, refusals too
3. versions      an answer always says which version it speaks, also a 401
4. faults        what the layers below raise becomes an answer
5. sizes         a huge body is refused before anything is looked up
6. auth          the token; public paths pass without one
7. rates         per user, so that one cannot starve the others
8. routes        policy, body, handler
"""

import dataclasses
from collections.abc import Callable
from wsgiref.types import WSGIApplication

import falcon
from oslo_policy import policy as oslo_policy

from siterecovery.protector.api.dispatch import responder, translate
from siterecovery.protector.api.middleware.auth import Auth, TokenCheck
from siterecovery.protector.api.middleware.faults import Faults
from siterecovery.protector.api.middleware.limits import Limiter, Rates, Sizes
from siterecovery.protector.api.middleware.metrics import Metrics
from siterecovery.protector.api.middleware.request_id import RequestId
from siterecovery.protector.api.middleware.versions import Versions
from siterecovery.protector.api.permissions import Permissions
from siterecovery.protector.api.routes import PUBLIC, ROUTES
from siterecovery.protector.api.services import Services


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bytes, and requests per minute (0: no limit). `burst` is how many may come at once."""

    max_body: int = 1024 * 1024
    max_document: int = 64 * 1024 * 1024
    requests_per_minute: float = 0
    burst: float = 100
    failures_per_minute: float = 60


def make_app(
    services: Services, enforcer: oslo_policy.Enforcer, check: TokenCheck, limits: Limits | None = None
) -> WSGIApplication:
    """`check` is keystonemiddleware's auth_token, bound to its configuration."""
    limits = limits or Limits()
    app: WSGIApplication = routed(services, Permissions(enforcer))
    failures = Limiter(limits.failures_per_minute, limits.failures_per_minute)
    layers: tuple[Callable[[WSGIApplication], WSGIApplication], ...] = (
        lambda inner: Rates(inner, Limiter(limits.requests_per_minute, limits.burst)),
        lambda inner: Auth(inner, check, PUBLIC.__contains__, failures),
        lambda inner: Sizes(inner, limits.max_body, limits.max_document),
        Faults,
        Versions,
        lambda inner: Metrics(inner, services.metrics),
        RequestId,
    )
    for layer in layers:
        app = layer(app)
    return app


class _Path:
    """All methods of one path, as the framework wants them: attributes called on_get, on_post, …"""


def routed(services: Services, permissions: Permissions) -> "falcon.App[falcon.Request, falcon.Response]":
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App(media_type=falcon.MEDIA_JSON)
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(Exception, translate)
    app.add_error_handler(falcon.HTTPError, translate)
    paths: dict[str, _Path] = {}
    for route in ROUTES:
        path = paths.setdefault(route.path, _Path())
        setattr(path, f"on_{route.method.lower()}", responder(route, services, permissions))
    for template, path in paths.items():
        app.add_route(template, path)
    return app
