"""One file per world a step touches: `replication` (arrays), `volumes` (Cinder), `instances` (Nova, Neutron), `records` (both Protectors' databases).

Steps see the promises only (`clouds.base`, `arrays.base`, `peer.base`, `store.base`), the domain and the workflow core.
"""
