"""The story in acts: protected, away, home, and the day the first site is gone. Each act ends in comparisons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from sandbox import seed
from sandbox.demo.movement import Movement
from sandbox.demo.stage import CommandFailed, Stage, field
from sandbox.stack import api_name, engine_name

VMS = tuple(sorted(machine.name for machine in seed.WORKLOAD))
VOLUMES = tuple(sorted(volume for machine in seed.WORKLOAD for volume in machine.volumes))
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
    """Acts in their order; what one has to remember for the next is kept here."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.screen = stage.screen
        self._mark = 0

    def play(self) -> None:
        """From the first act to the last; CommandFailed as soon as a command fails, for nothing after it would be true."""
        self.set_up()
        self.protect()
        self.away()
        self.home()
        self.disaster()

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
            """Both Protectors get to know the two sites and which project belongs to which. Then the VMs become members of
            one protection group, whose policy says which arrays replicate it and how often. A tenant's volumes are found by
            themselves.""",
        )
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
        added = [self.stage.run(f"openstack dr member add prod --instance-id {name}") for name in VMS]
        volumes = sum(int(field(output, "volumes_added")) for output in added)
        self.screen.line()
        self.screen.verdict(volumes == len(VOLUMES), f"{len(added)} VMs are protected with {volumes} volumes")
        self.screen.prose("The arrays copy them to site-b from now on; one full copy is awaited here.")
        synced = self.stage.run("openstack dr protection-group action prod --action sync-volumes --wait")
        self.screen.line()
        self.screen.verdict(field(synced, "status") == "completed", "site-b's array holds a first copy of all of them")

    def away(self) -> None:
        self.screen.act(
            "Planned: site-a needs maintenance, so the group moves to site-b",
            """The VMs are stopped, their last writes are replicated, the copies become Cinder volumes of site-b, and the VMs
            are built again there from the same disks. Only then is anything deleted on site-a.""",
        )
        self._begin()
        moved = self.stage.run(f"openstack dr failover prod {_THERE} --wait")
        move = self._seen("site-a", "site-b")
        self.stage.run(f"openstack dr operation show {field(moved, 'operation_id')}")
        for site in ("site-a", "site-b"):
            self.stage.run(f"openstack --os-cloud {site} {_SERVERS}")
        self.stage.run(f"openstack --os-cloud site-b {_VOLUMES}")
        self._compare_planned(move)

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
        self._compare_planned(move)

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
        self._compare_forced(move, recovery_point(shown))

    def _lose_site_a(self) -> None:
        """As `sandbox fault` does it; killed, not asked to end."""
        self.screen.command("sandbox fault site-down site-a")
        self.stage.control("/sites/site-a/down")
        self.screen.command("sandbox fault kill-protector site-a")
        self.stage.stack.kill_protector("site-a")
        names = " and ".join((api_name("site-a"), engine_name("site-a")))
        self.screen.line(f"{names} were killed with SIGKILL")

    def _begin(self) -> None:
        self._mark = len(self.stage.witness.samples)
        self.stage.witness.look()

    def _seen(self, source: str, target: str) -> Movement:
        self.stage.witness.look()
        return Movement(self.stage.witness.samples[self._mark :], source, target)

    def _compare_planned(self, move: Movement) -> None:
        self._show_writes(move)
        last = move.samples[-1]
        left = sorted(last.present[move.source] | set(last.volumes[move.source]))
        gone_back = sorted(name for name in VOLUMES if move.restored.get(name, -1) < move.written.get(name, 0))
        self._verdict_running(move)
        self.screen.verdict(
            not gone_back,
            f"no write was lost{': except on ' + ', '.join(gone_back) if gone_back else ', on none of the five volumes'}",
        )
        self.screen.verdict(
            not left, f"nothing is left on {move.source}{': except ' + ', '.join(left) if left else ''}"
        )

    def _compare_forced(self, move: Movement, point: datetime) -> None:
        self._show_writes(move)
        due = move.written_by(point.timestamp())
        missing = sorted(name for name in VOLUMES if move.restored.get(name, -1) < due.get(name, 0))
        lost = max(move.written[name] - move.restored.get(name, 0) for name in VOLUMES)
        seconds = self._lost_seconds(move, point)
        self._verdict_running(move)
        self.screen.verdict(
            not missing,
            f"everything written until the recovery point {point:%H:%M:%S} UTC is there"
            + (
                f": except on {', '.join(missing)}"
                if missing
                else f"; the {seconds:.0f} s after it, {lost} writes of each VM, are lost"
            ),
        )
        torn = sorted(m.name for m in seed.WORKLOAD if len({move.restored.get(volume) for volume in m.volumes}) != 1)
        self.screen.verdict(
            not torn, f"the disks of each VM are of one moment{': not ' + ', '.join(torn) if torn else ''}"
        )

    @staticmethod
    def _lost_seconds(move: Movement, point: datetime) -> float:
        """From the recovery point to the last moment at which site-a lived."""
        lived = [sample.time for sample in move.samples if sample.running[move.source]]
        return max(lived, default=point.timestamp()) - point.timestamp()

    def _show_writes(self, move: Movement) -> None:
        self.screen.line()
        self.screen.prose("What the pretend world itself says, without asking Protector:")
        rows = [
            (name, written(move.written, name), written(move.restored, name), apart(move, name)) for name in VOLUMES
        ]
        self.screen.table(("volume", f"last write on {move.source}", f"found on {move.target}", "lost"), rows)

    def _verdict_running(self, move: Movement) -> None:
        last = move.samples[-1]
        here, there = last.running[move.target], last.running[move.source]
        missing = sorted(set(VMS) - here)
        self.screen.verdict(
            not missing and not there,
            f"all {len(VMS)} VMs run on {move.target} and nowhere else"
            + (
                f": except {', '.join(missing or sorted(there))}"
                if missing or there
                else f", after {self._absence(move)}"
            ),
        )
        twice = sorted(move.twice)
        self.screen.verdict(
            not twice, f"no VM ever ran on both sites at once{': except ' + ', '.join(twice) if twice else ''}"
        )

    @staticmethod
    def _absence(move: Movement) -> str:
        gaps = [gap for name in VMS if (gap := move.away(name)) is not None]
        return f"{min(gaps):.1f} to {max(gaps):.1f} s without service" if gaps else "an unknown time"


def written(generations: Mapping[str, int], name: str) -> str:
    """`write 1234`, or that there is no such volume."""
    return f"write {generations[name]}" if name in generations else "missing"


def apart(move: Movement, name: str) -> str:
    """How many writes are missing on the target."""
    if name not in move.restored or name not in move.written:
        return "all"
    return str(max(move.written[name] - move.restored[name], 0))


def recovery_point(shown: str) -> datetime:
    """The point that `operation show` states in its result; the table may have broken it over two lines."""
    text = re.sub(r"\s*\|\n\|\s*\|\s*", " ", shown)
    found = re.search(r'"recovery_point_at":\s*"([^"]+)"', text)
    if found is None:
        raise CommandFailed("the record states no recovery point")
    return datetime.fromisoformat(found[1])
