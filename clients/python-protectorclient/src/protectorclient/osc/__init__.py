"""The OpenStackClient plugin: `openstack dr …` and `openstack protector …` over the same commands."""
