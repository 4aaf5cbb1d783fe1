"""What the group controller keeps on the other cluster, and tells of it."""

import asyncio

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    SECRETS,
    SERVICE_ACCOUNTS,
    VIRTUAL_MACHINES,
)
from unit.kubevirt.controllers.sites import NS, play


def grow(sites, size):
    """As CSI does it: claim and volume, on both sides of the storage at once."""
    pvc, pv = sites.one.of(PERSISTENT_VOLUME_CLAIMS, "disk", NS), sites.one.of(PERSISTENT_VOLUMES, "pvc-1")
    pvc["spec"]["resources"] = {"requests": {"storage": size}}
    pv["spec"]["capacity"] = {"storage": size}
    sites.one.put(PERSISTENT_VOLUMES, pv)
    sites.one.put(PERSISTENT_VOLUME_CLAIMS, pvc)


def test_a_claim_that_grew_grows_on_the_other_cluster():
    """Volume first, then claim; a class there that forbids it is told, and keeps no group from moving."""

    def there(sites):
        pvc = sites.two.of(PERSISTENT_VOLUME_CLAIMS, "disk", NS)["spec"]["resources"]["requests"]["storage"]
        return sites.two.of(PERSISTENT_VOLUMES, "pvc-1")["spec"]["capacity"]["storage"], pvc

    async def story(sites):
        sites.disk("disk", "pvc-1")
        grow(sites, "1Gi")
        sites.vm("a", claims=["disk"])
        sites.group("a")
        await sites.until("ready to move", lambda: sites.condition("FailoverReady")["status"] == "True")
        grow(sites, "2Gi")
        await sites.until("grown", lambda: there(sites) == ("2Gi", "2Gi"))

        def broken(verb, resource, name):
            no = base.Forbidden("the class does not allow it", cluster="cluster2", status=403)
            return no if verb == "update" and resource is PERSISTENT_VOLUME_CLAIMS else None

        sites.two.broken = broken
        grow(sites, "3Gi")
        await sites.until("told", lambda: "disk has grown" in sites.condition("FailoverReady")["message"])
        assert there(sites) == ("3Gi", "2Gi")
        assert sites.condition("FailoverReady")["status"] == "True"

    play(story)


def test_what_a_vm_uses_besides_its_disks_follows():
    """Secrets, ConfigMaps and service accounts are there before the VM could be started."""

    async def story(sites):
        volumes = [
            {"name": "s", "secret": {"secretName": "key"}},
            {"name": "c", "configMap": {"name": "conf"}},
            {"name": "t", "serviceAccount": {"serviceAccountName": "app"}},
        ]
        made = VIRTUAL_MACHINES.header("a", NS) | {
            "spec": {"runStrategy": "Always", "template": {"spec": {"volumes": volumes}}}
        }
        sites.one.put(VIRTUAL_MACHINES, made)
        for resource, name in ((SECRETS, "key"), (CONFIG_MAPS, "conf"), (SERVICE_ACCOUNTS, "app")):
            sites.one.put(resource, resource.header(name, NS))
        sites.group("a")
        await sites.until("ready to move", lambda: sites.condition("FailoverReady")["status"] == "True")
        for resource, name in ((SECRETS, "key"), (CONFIG_MAPS, "conf"), (SERVICE_ACCOUNTS, "app")):
            assert sites.two.of(resource, name, NS)

    play(story)


def test_a_copy_that_somebody_took_the_label_from_is_told():
    """It would not be started there: the group is not ready to move, though the copy is as it was made."""

    async def story(sites):
        sites.vm("a")
        sites.group("a")
        await sites.until("ready to move", lambda: sites.condition("FailoverReady")["status"] == "True")
        await sites.two.patch(VIRTUAL_MACHINES, "a", NS, {"metadata": {"labels": None}})
        await sites.until("told", lambda: sites.condition("FailoverReady")["reason"] == "CopiesIncomplete")

    play(story)


def test_nothing_is_compared_while_a_group_moves():
    """Stopping and starting make every VM new; what has changed besides is copied when the group has arrived."""

    def compared(sites):
        return sites.two.calls.count(("get", VIRTUAL_MACHINES.plural, "a"))

    async def story(sites):
        sites.vm("a")
        sites.group("a")
        await sites.until("ready to move", lambda: sites.condition("FailoverReady")["status"] == "True")
        sites.kubevirt["cluster1"].stuck.add("a")
        await sites.want("stopped")
        await sites.until("on its way", lambda: sites.ready()["reason"] == "Converging")
        before = compared(sites)
        await sites.one.patch(VIRTUAL_MACHINES, "a", NS, {"metadata": {"labels": {"tier": "web"}}})
        await asyncio.sleep(0.7)  # a pass comes every half second, whatever happens
        assert compared(sites) == before
        sites.kubevirt["cluster1"].stuck.clear()
        await sites.until_state("stopped")
        there = lambda: sites.two.of(VIRTUAL_MACHINES, "a", NS)["metadata"]["labels"]  # noqa: E731
        await sites.until("copied", lambda: there().get("tier") == "web")

    play(story)


def test_a_large_group_is_read_by_lists():
    """Copies of a thousand VMs are compared by three lists, not by thousands of reads; a disk that two VMs share is made once."""
    names = [f"vm-{number}" for number in range(20)]

    async def story(sites):
        for name in names:
            sites.disk(f"{name}-disk", f"pvc-{name}")
        sites.disk("shared", "pvc-shared")
        for name in names:
            sites.vm(name, claims=[f"{name}-disk", "shared"])
        sites.group(*names)
        await sites.until("ready to move", lambda: sites.condition("FailoverReady")["status"] == "True")
        copied = (VIRTUAL_MACHINES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES)
        calls = [call for call in sites.two.calls if call[1] in {kind.plural for kind in copied}]
        assert [call for call in calls if call[0] == "get"] == []
        assert [call for call in calls if call[0] == "create" and call[2] == "shared"] == [
            ("create", PERSISTENT_VOLUME_CLAIMS.plural, "shared")
        ]

    play(story)
