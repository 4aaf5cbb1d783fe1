"""The workflow's journal in the status of a Failover."""
