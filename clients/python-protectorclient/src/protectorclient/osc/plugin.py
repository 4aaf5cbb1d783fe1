"""What OpenStackClient asks of a plugin: its name, its options, its client.

OSC imports this at every start of `openstack`, so it imports next to nothing.
"""

import argparse
import logging
import os
import re
from typing import Any

from protectorclient.osc import redaction

API_NAME = "protector"
API_VERSION_OPTION = "os_protector_api_version"
DEFAULT_API_VERSION = "1.2"
API_VERSIONS = ("1", "1.0", "1.1", "1.2")


def check_api_version(version: str) -> bool:
    """Any 1.x is passed on: which minor versions there are is the server's to say (it answers 406)."""
    if re.fullmatch(r"1(\.\d{1,3})?", version) is None:
        raise ValueError(f"PROTECTOR_API_VERSION must look like 1.2 and start with 1, not '{version}'")
    return True


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The global options. Called before OSC logs the command line, hence the filter here."""
    parser.add_argument(
        "--os-protector-api-version",
        metavar="<protector-api-version>",
        default=os.environ.get("PROTECTOR_API_VERSION") or os.environ.get("OS_PROTECTOR_API_VERSION"),
        help=f"Protector API version, default={DEFAULT_API_VERSION} (Env: PROTECTOR_API_VERSION)",
    )
    parser.add_argument(
        "--secondary-cloud",
        metavar="<cloud-config-name>",
        default=os.environ.get("OS_SECONDARY_CLOUD"),
        help="Cloud name in clouds.yaml of the other site, for disaster recovery (Env: OS_SECONDARY_CLOUD)",
    )
    # osc_lib logs the whole command line at start and knows only its own words for secrets.
    logging.getLogger("osc_lib.shell").addFilter(redaction.CommandLineFilter())
    return parser


def make_client(instance: Any) -> Any:
    """The SDK over the session of the shell, for other plugins. Our own commands authenticate by themselves."""
    from protectorclient.v1 import Client

    version = instance._api_version.get(API_NAME, DEFAULT_API_VERSION)
    return Client(
        instance.session,
        api_version=full_version(version),
        region_name=instance.region_name,
        interface=instance.interface,
    )


def full_version(version: str) -> str:
    """A microversion: `1` alone means the newest that this client knows."""
    return DEFAULT_API_VERSION if version == "1" else version
