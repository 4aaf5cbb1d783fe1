"""The story in acts: protected, away, home, the day the first site is gone, and its return. Each act ends in comparisons."""

from __future__ import annotations

import re
from datetime import datetime

from sandbox.demo import verdicts
from sandbox.demo.comparing import Outcome, claim
from sandbox.demo.follow import CommandFailed
from sandbox.demo.movement import Movement
from sandbox.demo.stage import Stage, field
from sandbox.demo.verdicts import VMS, VOLUMES
from sandbox.stack import api_name, engine_name

_THERE = (
    "--network-mapping net-primary-web=net-secondary-web --network-mapping net-primary-db=net-secondary-db"
    " --flavor-mapping m1.large=m2.large"
)
_BACK = (
    "--network-mapping net-secondary-web=net-primary-web --network-mapping net-secondary-db=net-primary-db"
    " --flavor-mapping m2.large=m1.large"
)
_SERVERS = "server list -c Name -c Status -c Networks -c Flavor"
_VOLUMES = "volume list -c Name -c Status -c 'Attached to'"


class Story:
    """Acts in their order; `outcomes` has one line per move for the summary."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.screen = stage.screen
        self.outcomes: list[Outcome] = []
        self._mark = 0

    def play(self) -> None:
        """From the first act to the last; CommandFailed as soon as a command fails, for nothing after it would be true."""
        self.set_up()
        self.protect()
        self.away()
        self.home()
        self.disaster()
        self.comes_back()
        self.check()

    def set_up(self) -> None:
        self.screen.act(
            "Two clouds, and three VMs that somebody needs",
            """site-a and site-b are two independent OpenStack clouds, each with a FlashArray and a Protector of its own.
            On site-a run a database and two web servers, which keep writing: every write is numbered, so that we can tell
            afterwards whether one got lost.""",
        )
        self.stage.run(f"openstack --os-cloud site-a {_SERVERS}")

    def protect(self) -> None:
        self.screen.act(
            "Protect them as one group",
            """Both Protectors get to know the two sites and which project here belongs to which project there. Then the VMs
            become members of one protection group, whose policy says which arrays replicate it. Their volumes are found
            without being named.""",
        )
        self._register()
        added = [self.stage.run(f"openstack dr member add prod --instance-id {name}") for name in VMS]
        volumes = sum(int(field(output, "volumes_added")) for output in added)
        self.screen.line()
        self.screen.verdict(volumes == len(VOLUMES), f"{len(added)} VMs are protected with {volumes} volumes")
        self.screen.prose(
            "The arrays copy them to site-b from now on, at intervals; a first full copy is awaited here."
        )
        synced = self.stage.run("openstack dr protection-group action prod --action sync-volumes --wait")
        self.screen.line()
        self.screen.verdict(field(synced, "status") == "completed", "site-b's array holds a first copy of all of them")

    def _register(self) -> None:
        for site, kind in (("site-a", "primary"), ("site-b", "secondary")):
            url = f"${site.upper().replace('-', '_')}_AUTH_URL"
            self.stage.run(f"openstack dr site create --name {site} --site-type {kind} --auth-url {url}")
        projects = "--local-project production --remote-site site-b --remote-project production"
        self.stage.run(f"openstack dr tenant-mapping create {projects}")
        self.stage.run(
            "openstack dr protection-group create --name prod --primary-site site-a --secondary-site site-b"
            " --replication-type async --volume-type replicated-ssd"
        )
        self.stage.run(
            "openstack dr policy create prod --primary-fa-url $ARRAY_A_URL --primary-fa-token $ARRAY_A_TOKEN"
            " --secondary-fa-url $ARRAY_B_URL --secondary-fa-token $ARRAY_B_TOKEN --pure-pg-name pg-prod"
        )

    def away(self) -> None:
        self.screen.act(
            "Planned: site-a needs maintenance, so the group moves to site-b",
            """The VMs are stopped, their last writes are replicated, the copies become Cinder volumes of site-b, and the VMs
            are built again there from the same disks. Only then is anything deleted on site-a.""",
        )
        self._begin()
        moved = self.stage.run(f"openstack dr failover prod {_THERE} --wait")
        move = self._seen("site-a", "site-b")
        self.screen.line()
        self.screen.prose("The record of the operation, and what both clouds say now:")
        self.stage.run(f"openstack dr operation show {field(moved, 'operation_id')}")
        for site in ("site-a", "site-b"):
            self.stage.run(f"openstack --os-cloud {site} {_SERVERS}")
        self.stage.run(f"openstack --os-cloud site-b {_VOLUMES}")
        self.screen.prose(
            """(db-server has another address: its network has other addresses on site-b, as the record's notes say. The web
            servers kept theirs.)"""
        )
        self.outcomes.append(verdicts.planned(self.screen, "away, planned", move))

    def home(self) -> None:
        self.screen.act(
            "Planned: home again",
            """Maintenance is over. Replication is turned round while the VMs run on, so that what they wrote on site-b comes
            home first; then they move as before.""",
        )
        self._begin()
        self.stage.run(f"openstack dr failback prod --reverse-replication {_BACK} --wait")
        move = self._seen("site-b", "site-a")
        self.stage.run(f"openstack --os-cloud site-a {_SERVERS}")
        self.outcomes.append(verdicts.planned(self.screen, "home, planned", move))

    def disaster(self) -> None:
        self.screen.act(
            "Unplanned: site-a is gone",
            """Cloud, array and Protector of site-a stop answering, without a goodbye. site-b decides alone, from the newest
            copy that it holds. What was written after that copy is lost, and the command says since when.""",
        )
        self._begin()
        self._lose_site_a()
        moved = self.stage.run(f"openstack dr failover prod --type unplanned {_THERE} --wait")
        move = self._seen("site-a", "site-b")
        shown = self.stage.run(f"openstack --os-cloud site-b dr operation show {field(moved, 'operation_id')}")
        self.stage.run(f"openstack --os-cloud site-b {_SERVERS}")
        self.outcomes.append(verdicts.forced(self.screen, "site-a lost", move, recovery_point(shown)))

    def _lose_site_a(self) -> None:
        """As `sandbox fault` does it; killed, not asked to end."""
        self.screen.command("sandbox fault site-down site-a")
        self.stage.control("/sites/site-a/down")
        self.screen.command("sandbox fault kill-protector site-a")
        self.stage.stack.kill_protector("site-a")
        self.screen.aside(f"(kill -9: {api_name('site-a')}, {engine_name('site-a')})")

    def comes_back(self) -> None:
        self.screen.act(
            "site-a comes back",
            """Its cloud still runs the VMs as they were when the link broke, older than those on site-b. Its Protector must not
            believe that it is in charge: it asks site-b first, then stops and locks the old copies. Nothing is deleted until
            a person says so.""",
        )
        self.screen.command("sandbox fault site-up site-a")
        self.stage.control("/sites/site-a/up")
        self.screen.command("sandbox fault start-protector site-a")
        self.stage.stack.start_protector("site-a")
        self.stage.run("openstack --os-cloud site-b dr protection-group sync-force prod --wait")
        self.stage.run("openstack --os-cloud site-b dr protection-group sync-status prod")
        last = self.stage.witness.look()
        self.screen.line()
        claim(self.screen, "the old copies on site-a are stopped", last.running["site-a"])
        claim(self.screen, "the VMs on site-b run on", set(VMS) - last.running["site-b"])

    def check(self) -> None:
        self.screen.act(
            "An independent look",
            """A checker that shares no code with Protector looks at both clouds, both arrays and both databases for what must
            never be: two running copies, lost writes, things made twice, things left behind, records that do not tell the
            truth.""",
        )
        code, _ = self.stage.attempt("sandbox check")
        self.screen.line()
        self.screen.verdict(code == 0, "the checker looked everywhere and found nothing wrong")

    def _begin(self) -> None:
        self._mark = len(self.stage.witness.samples)
        self.stage.witness.look()

    def _seen(self, source: str, target: str) -> Movement:
        self.stage.witness.look()
        seen = tuple(self.stage.witness.samples)
        return Movement(seen[self._mark :], source, target, seen)


def recovery_point(shown: str) -> datetime:
    """The point that `operation show` states in its result; the table may have broken it over two lines."""
    text = re.sub(r"\s*\|\n\|\s*\|\s*", " ", shown)
    found = re.search(r'"recovery_point_at":\s*"([^"]+)"', text)
    if found is None:
        raise CommandFailed("the record states no recovery point")
    return datetime.fromisoformat(found[1])
