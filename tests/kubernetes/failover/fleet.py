"""Many groups at once in one namespace of a light world, each moved by a thread of its own, and what may go wrong around them."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from crashes.death import Death
from kubernetes.failover.mortal import MortalController
from kubernetes.failover.world import Failover, Stage
from sandbox.kubernetes.client import ApiError, Conflict, wait_until
from sandbox.processes import ProcessError
from support.kubernetes import machines

PATIENCE = 120.0
GROUP = "/apis/siterecovery.trilio.io/v1alpha1/namespaces/{}/protectiongroups/{}"


class Fleet(Stage):
    """Groups by name; an API server that is away is waited for, as a person would."""

    def muster(self, names, vms=1):
        """All made at once, each running and mirrored."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self.group(name, vms), names))

    def move(self, group, target, **spec):
        """A Failover that exists, however often it had to be asked for."""
        made = Failover(self.planes.quorum, self.namespace, group, target, **spec)

        def ask():
            with contextlib.suppress(Conflict):  # an earlier try got through
                made.create()
            return True

        wait_until(f"the creation of {made.name}", PATIENCE, ask)
        return made

    def copies(self, group):
        """Both clusters' copies."""
        path = GROUP.format(self.namespace, group)
        return {cluster.name: machines.look(cluster.api, path) for cluster in self.planes.clusters}

    def active(self, group):
        """Where the authority is, as far as it can be read."""

        def ask():
            claims = {}
            for cluster in self.planes.clusters:
                with contextlib.suppress(ApiError, OSError):  # the other copy tells it too
                    status = machines.look(cluster.api, GROUP.format(self.namespace, group)).get("status") or {}
                    claims[status.get("epoch") or 0] = status.get("activeCluster")
            return claims[max(claims)] if claims else None

        return wait_until(f"the authority over {group}", PATIENCE, ask)

    def rest(self, groups):
        """Every Failover of them has ended, and both copies have taken note of what they are asked for."""

        def ended(failover):
            return (failover.get("status") or {}).get("phase") in ("Succeeded", "Failed")

        path = f"/apis/siterecovery.trilio.io/v1alpha1/namespaces/{self.namespace}/failovers"
        seconds = PATIENCE * 2
        wait_until("the end of all Failovers", seconds, lambda: all(map(ended, self.planes.quorum.api.items(path))))
        wait_until("no debts", seconds, lambda: not any(self.debts(group) for group in groups))

    def debts(self, group):
        return [debt for copy in self.copies(group).values() for debt in (copy.get("status") or {}).get("debts") or ()]

    def disband(self):
        """Groups, VMs, claims, volumes and their disks go, so that hundreds of schedules can follow one another in one world."""
        for cluster in self.planes.clusters:
            for kind in ("protectiongroups", "virtualmachines"):
                group = "siterecovery.trilio.io/v1alpha1" if kind == "protectiongroups" else "kubevirt.io/v1"
                cluster.api.call("DELETE", f"/apis/{group}/namespaces/{self.namespace}/{kind}")
        for cluster in self.planes.clusters:
            path = f"/apis/kubevirt.io/v1/namespaces/{self.namespace}/virtualmachineinstances"
            wait_until("the end of the VMs", PATIENCE, lambda cluster=cluster, path=path: not cluster.api.items(path))
            cluster.api.call("DELETE", f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims")
            for disk in self.disks.values():
                cluster.api.delete(f"/api/v1/persistentvolumes/{disk.handle}")
        for disk in self.disks.values():
            linstor_delete(self.planes.storage.linstor, disk.handle)


def linstor_delete(url, volume):
    import httpx

    httpx.delete(f"{url}/v1/resource-definitions/{volume}", timeout=20).raise_for_status()


class Controllers:
    """One Failover controller at a time; each of the `points` ends one, and the next goes on. The last one lives."""

    def __init__(self, planes, points):
        self.planes, self.points = planes, list(points)
        self.deaths = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self):
        for point in [*self.points, None]:
            death = Death(point)
            with MortalController(self.planes, death):
                while not self._over.is_set() and not death.happened.wait(0.1):
                    """Until it dies or everything is over."""
            if self._over.is_set():
                return
            self.deaths += 1


class Trouble:
    """World-wide faults by name: each begins, lasts and is mended. `over` ends it early."""

    def __init__(self, planes, over):
        self.planes, self.over = planes, over

    def __call__(self, name, place, seconds):
        with getattr(self, name)(place, seconds):
            self.over.wait(seconds)

    @contextlib.contextmanager
    def freeze(self, place, _):
        plane = self.plane(place)
        plane.freeze()
        try:
            yield
        finally:
            plane.thaw()

    @contextlib.contextmanager
    def kill(self, place, _):
        plane = self.plane(place)
        plane.kill()
        try:
            yield
        finally:
            plane.start()
            plane.wait()

    @contextlib.contextmanager
    def linstor(self, mode, _):
        self.planes.storage.post("/faults", target="linstor", mode=mode, times=5, delay=2.0)
        yield

    @contextlib.contextmanager
    def cut(self, *_):
        """Replication between the two sites."""
        link = {"sites": ["cluster1", "cluster2"]}
        self.planes.storage.post("/links/cut", **link)
        try:
            yield
        finally:
            self.planes.storage.post("/links/heal", **link)

    @contextlib.contextmanager
    def deaf(self, place, _):
        """LINSTOR's controller does not hear a cluster's satellites."""
        nodes = self.plane(place).nodes
        for node in nodes:
            self.planes.storage.post(f"/drbd/nodes/{node}/satellite", answers=False)
        try:
            yield
        finally:
            for node in nodes:
                self.planes.storage.post(f"/drbd/nodes/{node}/satellite", answers=True)

    @contextlib.contextmanager
    def taint(self, place, _):
        """Quorum taints that are put back as long as it lasts."""
        nodes = self.plane(place).nodes
        for node in nodes:
            self._tainted(node, ["drbd.linbit.com/lost-quorum"])
        try:
            yield
        finally:
            for node in nodes:
                self._tainted(node, None)

    def _tainted(self, node, keys):
        """The agent's look at a cluster whose API is away fails; what it should want is set all the same."""
        with contextlib.suppress(ProcessError):
            self.planes.storage.post(f"/drbd/taints/{node}", keys=keys)

    @contextlib.contextmanager
    def slow(self, place, seconds):
        agent = self.plane(place).agent
        agent.set(boot=seconds / 2, stop=seconds / 2)
        try:
            yield
        finally:
            agent.set(boot=0, stop=0)

    def plane(self, name):
        return getattr(self.planes, name)


def elapsed(since):
    return f"{time.monotonic() - since:.1f} s"
