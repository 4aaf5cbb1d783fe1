"""Volumes of members, and the copies that moves left behind."""

import sqlalchemy as sa

from siterecovery.protector.domain.member import Volume, VolumeCopy
from siterecovery.protector.store import tables
from siterecovery.protector.store.repository import Repository
from siterecovery.protector.store.session import Session


class _Copies(Repository[VolumeCopy]):
    table, kind = tables.volume_copies, VolumeCopy

    def of_group(self, group_id: str) -> list[VolumeCopy]:
        return self._all(self.table.c.group_id == group_id, order=[self.table.c.epoch])

    def save(self, *copies: VolumeCopy) -> None:
        self._save_all(copies)

    def delete(self, copy_id: str) -> None:
        self._delete(copy_id)


class SqlVolumes(Repository[Volume]):
    table, kind = tables.volumes, Volume

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._copies = _Copies(session)

    def of_group(self, group_id: str) -> list[Volume]:
        """By member, each in boot order."""
        found = self._all(self.table.c.group_id == group_id)
        return sorted(found, key=lambda volume: (volume.member_id, *_boot_order(volume)))

    def of_member(self, member_id: str) -> list[Volume]:
        return sorted(self._all(self.table.c.member_id == member_id), key=_boot_order)

    def holds(self, group_id: str, volume_id: str) -> bool:
        columns = self.table.c
        found = sa.select(columns.id).where(columns.group_id == group_id, columns.volume_id == volume_id).limit(1)
        return bool(self._session.rows(found))

    def save(self, *volumes: Volume) -> None:
        """Inserts or replaces, each kind in one go."""
        self._save_all(volumes)

    def delete(self, volume_id: str) -> None:
        self._delete(volume_id)

    def copies(self, group_id: str) -> list[VolumeCopy]:
        """Oldest epoch first."""
        return self._copies.of_group(group_id)

    def save_copy(self, *copies: VolumeCopy) -> None:
        self._copies.save(*copies)

    def delete_copy(self, copy_id: str) -> None:
        self._copies.delete(copy_id)


def _boot_order(volume: Volume) -> tuple[bool, int, str, str]:
    """Disks without a boot index (None, or Nova's -1) come last, by device."""
    index = -1 if volume.boot_index is None else volume.boot_index
    return index < 0, index, volume.device or "", volume.id
