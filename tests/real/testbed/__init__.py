"""Two real OpenStack sites on loopback: the project's own test bed.

Everything the sandbox pretends, this package runs: Keystone, Glance, Placement, Nova (with its fake hypervisor), Cinder
with the real FlashArray driver, and Neutron, twice, over one MariaDB and one RabbitMQ. Only the arrays are simulated.
The command line is ``python -m testbed`` (run in ``tests/real``); pytest takes the ``sites`` fixture.
"""
