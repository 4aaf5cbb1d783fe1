"""The controller of ProtectionRequests: takes single VMs under replication and out of it again (DRBD Operator model)."""
