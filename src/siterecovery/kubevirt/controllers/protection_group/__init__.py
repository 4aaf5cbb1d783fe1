"""The ProtectionGroup controller of one cluster: makes the group's VMs there follow `desiredState`, if that cluster holds the authority, keeps
stopped copies on the other cluster, and says what it sees."""
