"""Protector on both real sites, a group of VMs to move, and what the clouds and arrays themselves say afterwards."""
