"""A plane's certificates say who somebody is, and are nobody else's to read."""

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from sandbox.kubernetes.pki import Pair, Pki


def names(pair: Pair) -> tuple[list[str], list[str]]:
    """(users, groups) as an API server reads them."""
    subject = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).subject
    users, groups = (subject.get_attributes_for_oid(kind) for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME))
    return [str(user.value) for user in users], [str(group.value) for group in groups]


def test_user_and_groups_stand_in_the_certificate(tmp_path: Path) -> None:
    """The same name with other groups is another certificate."""
    pki = Pki(tmp_path)
    assert names(pki.client("alice", ["ops", "web"])) == (["alice"], ["ops", "web"])
    assert names(pki.client("alice")) == (["alice"], [])


def test_certificates_are_kept(tmp_path: Path) -> None:
    """A plane that is started again in its directory trusts the clients it trusted before."""
    first = Pki(tmp_path)
    before = [path.read_bytes() for path in (first.authority.certificate, first.admin.key, first.tokens.key)]
    again = Pki(tmp_path)
    assert [path.read_bytes() for path in (again.authority.certificate, again.admin.key, again.tokens.key)] == before


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    """No key can be read by anybody else on this machine."""
    pki = Pki(tmp_path / "pki")
    modes = {file.name: file.stat().st_mode & 0o077 for file in (tmp_path / "pki").glob("*.key")}
    assert modes == dict.fromkeys(modes, 0)
    assert pki.server.key.name in modes
