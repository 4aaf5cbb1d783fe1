"""A Neutron mechanism driver that binds every port at once.

No layer-2 agent runs and the fake hypervisor plugs nothing in, so nobody would ever bind a port and Nova would refuse
to boot. Bound ports look as on a working host: `binding:vif_type` ovs, status ACTIVE. Runs in the services' virtualenv.
"""

from neutron_lib import constants  # type: ignore[import-not-found]
from neutron_lib.api.definitions import portbindings  # type: ignore[import-not-found]
from neutron_lib.plugins.ml2 import api  # type: ignore[import-not-found]


class BindAtOnce(api.MechanismDriver):  # type: ignore[misc]
    """Takes the first segment offered for any port that has a host."""

    def initialize(self) -> None:
        """Nothing to prepare; the base class demands the method."""

    @property
    def connectivity(self) -> str:
        """What Neutron shows of bound ports: layer 2."""
        return str(portbindings.CONNECTIVITY_L2)

    def bind_port(self, context: api.PortContext) -> None:
        """Bind the port to its first segment; a port without a host stays unbound, as everywhere."""
        if not context.host or not context.segments_to_bind:
            return
        details = {portbindings.CAP_PORT_FILTER: False}
        segment = context.segments_to_bind[0]
        context.set_binding(segment[api.ID], portbindings.VIF_TYPE_OVS, details, status=constants.PORT_STATUS_ACTIVE)
