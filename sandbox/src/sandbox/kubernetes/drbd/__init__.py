"""A pretend DRBD 9 under a pretend LINSTOR: volumes replicated between the nodes of two clusters, and what goes wrong with them.

`model` is what there is, `quorum` and `handshake` are DRBD's rules as functions, `world` moves by them; `linstor` is the controller's REST,
`door` is where the node agent opens devices for guests, `operator` plays the DRBD Operator on a cluster and `taints` Piraeus' HA controller.
"""
