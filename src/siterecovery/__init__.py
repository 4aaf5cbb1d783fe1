"""Site Recovery: disaster recovery for VMs. One core (`workflow`), two halves (`protector`, `kubevirt`)."""
