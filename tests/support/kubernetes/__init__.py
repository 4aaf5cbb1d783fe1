"""Real Kubernetes clusters for tests: how to use them.

In `tests/kubernetes/**` the fixtures below are simply there (its conftest imports them); elsewhere:
`from support.kubernetes.fixtures import light_planes, light_namespace  # noqa: F401`.
The programs come from KUBEBUILDER_ASSETS or the cache; `make kube` builds them (ten minutes, once).

    planes           session  a `sandbox.kubernetes.world.World`: `planes.cluster1`, `planes.cluster2` (real KubeVirt, two played nodes each)
                              and `planes.quorum` (one node, no KubeVirt), each with kube-controller-manager. 20-30 s, 2.5 GB: for stories with VMs.
                              Deployments run on all three, as local processes (`sandbox.kubernetes.agent.pods`): helm install, kubectl logs are real.
    light_planes     session  the same three names, three kube-apiservers that share one etcd, nothing else: 4 s, 0.9 GB, for tests of a
                              controller's own objects. No controller-manager (namespaces stay Terminating, owners are not
                              collected, the ClusterRoles view, edit and admin are empty), no KubeVirt.
                              `light_planes.install_kubevirt_crds()` adds VirtualMachine and VirtualMachineInstance to both workload
                              clusters (once, idempotent).
    light_world      session  the same three names, with the real disks and LINSTOR of `planes` and a played KubeVirt (`light_machines`):
                              8 s, 1.1 GB, a failover in 1.5 s; for what is done hundreds of times, or with a thousand VMs. It has `storage`,
                              `clusters`, `power_off`, `power_on` and each cluster's `agent` as `planes` has; no Pods, no nodes that fail alone.
    namespace        function the name of a fresh namespace that is there on all three `planes`; deleted (without waiting) afterwards
    light_namespace  function the same on `light_planes` (left behind)

A plane (`sandbox.kubernetes.plane.Plane`), light or not:

    plane.name, plane.url, plane.kubeconfig       Path; certificate user `admin` in group system:masters, everything embedded
    plane.user_kubeconfig("alice", ["siteops"])   Path of a kubeconfig of somebody without rights until RBAC gives them
    plane.service_account_kubeconfig(namespace, name, file)
    plane.kubectl("get", "pg", "-n", ns, given="", kubeconfig=None) -> str    ProcessError with its words when it fails
    plane.api                                     `sandbox.kubernetes.client.Api`, blocking: get(path) items(path, labelSelector=...)
                                                  create(obj) apply(obj) merge(path, change) delete(path) call(verb, path, body);
                                                  raises ApiError, Missing, Conflict, OSError
    plane.freeze() .thaw() .kill() .start() .wait() .restart()    the whole plane; data and port stay. A test that breaks a plane mends it.
    plane.apiserver, plane.controllers            each a `Child`: freeze thaw crash kill start

Only on `planes` (`sandbox.kubernetes.cluster.Cluster`, which also has all of the above; KubeVirt's on cluster1 and cluster2):

    cluster.virtctl("start", "vm1", "-n", ns) -> str
    cluster.helm("install", ...) -> str
    cluster.nodes                                 their names
    cluster.virt_api, cluster.virt_controller     supervised `Child`ren (they come back half a second after a crash)
    cluster.agent                                 the machines and guests (`sandbox.kubernetes.agent.client.AgentControl`):
        .set(boot=2, stop=3, pod=1, write=0.2)    seconds a guest boots, shuts down, a Pod starts, between two writes; 0, 0, 0, 1 at first
        .guest(ns, vm, "crash" | "poweroff")      by itself, now
        .guest(ns, vm, "hang" | "stick" | "silence" | "recover")    hang: ignores shutdown, killed at the end of its grace period;
                                                  stick: cannot even be killed (Terminating until recover); silence: guest agent mute
        .fail_boots(ns, vm, count)                its next boots fail
        .node(name, "dead" | "mute" | "alive")    dead: guests lost; mute: kubelet and virt-handler silent, guests go on
        .site("off" | "on")                       every node at once
        .guests(ns, vm)                           what really runs: [{"node", "state", "disks": {volume: generation}, "blocked", ...}],
                                                  two entries where a VM runs twice
        .state()                                  {"nodes": {name: mode}, "guests": {"ns/vm": [...]}, "times": {...}}
        .reset()                                  no delays, no faults, every node alive

And on the world itself:

    planes.power_off(plane) / planes.power_on(plane)    a whole site: guests, disks and control plane are gone; and back, ready
    planes.storage                                `sandbox.kubernetes.storage.Storage`: .url (its control port, see
                                                  sandbox.kubernetes.drbd.control), .linstor (URL of LINSTOR's REST)
        .create_volume(handle, *nodes) .generations(handle) .get(path) .post(path, **body) .watch_over(cluster, kubeconfig, period, operator=)
                                                  quorum taints are kept on both workload clusters every 5 s from the start

After each test with controllers the checker (`sandbox.kubernetes.check`, `support.kubernetes.checking`) looks at the test's namespace; the fixture
`excuses` is where a test says what it has broken itself: `excuses.vms.add(name)`, `excuses.settled = False`.

`support.kubernetes.machines` has `virtual_machine(ns, name, strategy="Always", claims=(), ...)`,
`bind_disk(plane, ns, claim, handle)` and waits (`running`, `shows`, `gone`), `status`, `set_strategy`;
`sandbox.kubernetes.client.wait_until(what, seconds, ask)` waits for anything.

Many short sessions: `.venv/bin/sandbox kubernetes up --state DIR` once, then `SANDBOX_KUBERNETES=DIR .venv/bin/pytest ...` uses what runs
there and leaves it running (`sandbox kubernetes down --state DIR` ends it). Everything above works there but the single programs
(`apiserver`, `virt_api`, ...), and whoever else uses it sees what you break.

`planes` keeps state for the whole session: use `namespace`, undo what you break (`agent.reset()`, `thaw`).
"""
