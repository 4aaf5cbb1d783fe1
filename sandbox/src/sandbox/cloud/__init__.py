"""One OpenStack site in memory: Keystone, Nova, Cinder, Neutron, Glance and Placement as their clients see them."""
