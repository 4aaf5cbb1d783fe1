"""The steps of a failover, one file per world a step touches."""
