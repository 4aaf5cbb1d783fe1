"""Protector: disaster recovery for OpenStack VMs between two independent clouds."""
