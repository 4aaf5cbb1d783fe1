"""The machines of one cluster, played: scheduler, kubelets, virt-handlers and the guests, with everything that goes wrong with them.

One asyncio process for each cluster (`python -m sandbox.kubernetes.agent SETTINGS`). `tables` holds what the API server says, `queue` looks at one
object at a time; `scheduler`, `kubelet` and `handler` each do what their namesakes do to it. `guests` and `machines` are the played world,
`disks` asks the storage world whether a guest may have its disk, and `control` is where tests and people make things go wrong.
"""
