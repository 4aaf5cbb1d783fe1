"""What a group's controller needs to know of a replicated volume, as plain values: the storage backends know more."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class VolumeView:
    """A volume as one cluster sees it. None is unknown throughout."""

    handle: str
    role: str | None = None
    disk_state: str | None = None
    connection: str | None = None
    connected: bool | None = None
    """To a disk on the other cluster."""
    in_sync: bool | None = None
    """Every disk is up to date and connected."""
    fenced: bool | None = None
    """DRBD itself keeps a second copy from running: quorum is on. False where it was switched off."""
    exists: bool = True
    """False: the backend was asked and knows no such volume, so it is not replicated."""
    problem: str = ""
    """What keeps it from being protected, as a sentence."""
