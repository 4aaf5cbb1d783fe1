"""Site Recovery for Kubernetes VMs: disaster recovery for KubeVirt VMs between two clusters."""
