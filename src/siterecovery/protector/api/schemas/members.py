from typing import Self

from siterecovery.protector.api.schemas.base import Answer, Ref, Request
from siterecovery.protector.domain import member as domain


class NewMember(Request):
    instance_id: Ref


class CreateMember(Request):
    member: NewMember


class MemberVolume(Answer):
    volume_id: str
    name: str
    size: int
    boot_index: int | None
    array_volume_name: str | None


class Member(Answer):
    id: str
    protection_group_id: str
    instance_id: str
    instance_name: str
    status: str
    volumes_added: int
    volumes: list[MemberVolume]
    error_message: str | None
    created_at: str | None

    @classmethod
    def of(cls, member: domain.Member, volumes: list[domain.Volume]) -> Self:
        return cls(
            id=member.id,
            protection_group_id=member.group_id,
            instance_id=member.instance_id,
            instance_name=member.instance_name,
            status=member.status,
            volumes_added=len(volumes),
            volumes=[
                MemberVolume(
                    volume_id=volume.volume_id,
                    name=volume.name,
                    size=volume.size,
                    boot_index=volume.boot_index,
                    array_volume_name=volume.array_volume_name,
                )
                for volume in volumes
            ],
            error_message=member.error_message,
            created_at=member.created_at or None,
        )


class MemberAnswer(Answer):
    member: Member


class MemberList(Answer):
    members: list[Member]
