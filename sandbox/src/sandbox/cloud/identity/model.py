"""What Keystone knows: plain records and the one object that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.clock import Clock
from sandbox.cloud.ids import new_hex

DEFAULT_DOMAIN = "default"


@dataclass
class Domain:
    """A namespace for users and projects."""

    id: str
    name: str
    enabled: bool = True


@dataclass
class Project:
    """What Nova and Cinder call a tenant."""

    id: str
    name: str
    domain_id: str = DEFAULT_DOMAIN
    description: str = ""
    enabled: bool = True


@dataclass
class User:
    """Somebody who can log in; the password never leaves this process."""

    id: str
    name: str
    password: str = field(repr=False)
    domain_id: str = DEFAULT_DOMAIN
    default_project_id: str = ""
    enabled: bool = True


@dataclass
class Role:
    """A name that policies ask for."""

    id: str
    name: str


@dataclass
class Trust:
    """A delegation of some of the trustor's roles in one project to the trustee."""

    id: str
    trustor_id: str
    trustee_id: str
    project_id: str
    role_ids: tuple[str, ...]
    impersonation: bool
    expires_at: float | None = None
    remaining_uses: int | None = None


@dataclass
class ApplicationCredential:
    """A secret of its own for one user in one project, with some of the user's roles."""

    id: str
    name: str
    user_id: str
    project_id: str
    role_ids: tuple[str, ...]
    secret: str = field(repr=False)
    description: str = ""
    expires_at: float | None = None
    unrestricted: bool = False


@dataclass
class Token:
    """One issued token. Role names are those it has now: they are looked up again at each validation."""

    id: str = field(repr=False)
    user_id: str
    project_id: str
    methods: tuple[str, ...]
    issued_at: float
    expires_at: float
    audit_ids: tuple[str, ...]
    role_names: frozenset[str] = frozenset()
    role_ids: tuple[str, ...] = ()
    domain_id: str = ""
    system: bool = False
    trust: Trust | None = None
    credential: ApplicationCredential | None = None
    revision: int = -1


@dataclass
class CatalogService:
    """One service with the URL of its only endpoint, the same for every interface."""

    id: str
    type: str
    name: str
    url: str
    endpoint_ids: dict[str, str] = field(default_factory=dict)


class Directory:
    """Everybody and everything Keystone keeps, except tokens.

    `revision` grows with every change that can alter what a token may do, so that tokens look their roles up again
    only then.
    """

    def __init__(self, clock: Clock, region: str) -> None:
        self.clock = clock
        self.region = region
        self.revision = 0
        self.domains = {DEFAULT_DOMAIN: Domain(DEFAULT_DOMAIN, "Default")}
        self.projects: dict[str, Project] = {}
        self.users: dict[str, User] = {}
        self.roles: dict[str, Role] = {}
        self.assignments: set[tuple[str, str, str]] = set()  # user, project, role
        self.trusts: dict[str, Trust] = {}
        self.credentials: dict[str, ApplicationCredential] = {}
        self.services: dict[str, CatalogService] = {}

    def changed(self) -> None:
        """Have every token looked at afresh."""
        self.revision += 1

    def add_project(self, name: str, description: str = "") -> Project:
        """A new project in the default domain."""
        project = Project(new_hex(), name, description=description)
        self.projects[project.id] = project
        return project

    def add_user(self, name: str, password: str, default_project_id: str = "") -> User:
        """A new user in the default domain."""
        user = User(new_hex(), name, password, default_project_id=default_project_id)
        self.users[user.id] = user
        return user

    def role(self, name: str) -> Role:
        """The role of that name, made on first use."""
        for role in self.roles.values():
            if role.name == name:
                return role
        role = Role(new_hex(), name)
        self.roles[role.id] = role
        return role

    def grant(self, user_id: str, project_id: str, role_id: str) -> None:
        """Give a user a role in a project; twice is once."""
        self.assignments.add((user_id, project_id, role_id))
        self.changed()

    def revoke(self, user_id: str, project_id: str, role_id: str) -> bool:
        """Take it away again; False when it was not there."""
        present = (user_id, project_id, role_id) in self.assignments
        self.assignments.discard((user_id, project_id, role_id))
        self.changed()
        return present

    def roles_of(self, user_id: str, project_id: str) -> tuple[str, ...]:
        """Ids of the roles a user holds in a project, always in the same order."""
        return tuple(
            sorted(role for user, project, role in self.assignments if (user, project) == (user_id, project_id))
        )

    def user_named(self, name: str) -> User | None:
        """The user of that name in the default domain."""
        return next((user for user in self.users.values() if user.name == name), None)

    def project_named(self, name: str) -> Project | None:
        """The project of that name in the default domain."""
        return next((project for project in self.projects.values() if project.name == name), None)

    def add_service(self, type_: str, name: str, url: str) -> None:
        """Register a service with one endpoint per interface."""
        ids = {interface: new_hex() for interface in ("public", "internal", "admin")}
        service = CatalogService(new_hex(), type_, name, url, ids)
        self.services[service.id] = service
