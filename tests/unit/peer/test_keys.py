"""A site's keys: one private file, public halves for the peer, secrets only the receiver can read."""

import json
import stat
import threading
from pathlib import Path

import pytest

from siterecovery.protector.peer.keys import Identity, IdentityError, SealBroken, seal, verify


def test_the_first_start_makes_the_file_and_later_ones_read_it(tmp_path: Path) -> None:
    """The identity survives a restart, in a file that only its owner can read."""
    path = tmp_path / "etc" / "identity.key"
    first = Identity.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Identity.load_or_create(path).public == first.public
    assert [it.name for it in path.parent.iterdir()] == ["identity.key"]


def test_processes_that_start_together_agree_on_one_identity(tmp_path: Path) -> None:
    """However many processes create the file at the same moment, all of them end with the same keys."""
    found: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(Identity.load_or_create(tmp_path / "identity.key").public.signing_key)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    """The process does not start with a key that may have leaked, and says what to do."""
    path = tmp_path / "identity.key"
    Identity.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(IdentityError) as refused:
        Identity.from_file(path)
    assert "0640" in refused.value.detail
    assert "chmod 600" in refused.value.remedy


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"signing_key": "AAAA", "sealing_key": "AAAA"}', '{"signing_key": 7}']
)
def test_a_damaged_key_file_is_refused(tmp_path: Path, text: str) -> None:
    """A damaged file is an error that names it, never a new identity in silence."""
    path = tmp_path / "identity.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(IdentityError, match="damaged"):
        Identity.load_or_create(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A key file that cannot be made is an error that says where it was wanted."""
    (tmp_path / "file").write_text("")
    with pytest.raises(IdentityError, match="cannot be written"):
        Identity.load_or_create(tmp_path / "file" / "identity.key")


def test_private_halves_are_never_shown() -> None:
    """Printing an identity shows what a peer may know and nothing else."""
    identity = Identity.generate()
    assert repr(identity) == f"Identity({identity.public.signing_key})"


def test_a_signature_is_of_one_key_and_one_message() -> None:
    """Another message, another key, and things that are no key or signature are all refused."""
    identity, other = Identity.generate(), Identity.generate()
    signature = identity.sign(b"message")
    key = identity.public.signing_key
    assert verify(key, b"message", signature)
    assert not verify(key, b"Message", signature)
    assert not verify(other.public.signing_key, b"message", signature)
    assert not verify(key, b"message", "not base64!")
    assert not verify("", b"message", signature)


def test_only_the_receiver_reads_a_sealed_secret() -> None:
    """What is sealed for one site is unreadable to a third one, and never the same text twice."""
    receiver, third = Identity.generate(), Identity.generate()
    sealed = seal("s3cret", receiver.public.sealing_key, group_id="g1")
    assert "s3cret" not in sealed
    assert receiver.unseal(sealed, group_id="g1") == "s3cret"
    assert sealed != seal("s3cret", receiver.public.sealing_key, group_id="g1")
    with pytest.raises(SealBroken):
        third.unseal(sealed, group_id="g1")


@pytest.mark.parametrize("broken", ["", "AAAA", "no base64", None])
def test_what_was_never_sealed_does_not_open(broken: str | None) -> None:
    """Garbage in the place of a sealed value is refused like an altered one."""
    with pytest.raises(SealBroken):
        Identity.generate().unseal(broken, group_id="g1")  # type: ignore[arg-type]


def test_a_sealed_secret_belongs_to_its_group() -> None:
    """A value cut out of one group's document opens in no other's."""
    receiver = Identity.generate()
    sealed = seal("s3cret", receiver.public.sealing_key, group_id="g1")
    with pytest.raises(SealBroken):
        receiver.unseal(sealed, group_id="g2")


def test_sealing_to_what_is_no_key_says_so() -> None:
    """A site registered with a wrong key is named as the cause."""
    with pytest.raises(IdentityError, match="not a key"):
        seal("s3cret", json.dumps("nonsense"), group_id="g1")
