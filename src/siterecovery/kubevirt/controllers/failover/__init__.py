"""The Failover controller: carries out the Failovers of one cluster, one at a time per group, and goes on with what a killed one has left."""
