"""The certificates of one plane: its own authority, so that no key of one cluster opens another."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = datetime.timedelta(days=365)
_MASTERS = "system:masters"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Pki:
    """Everything a kube-apiserver wants, made once in a directory that only its owner reads; EC keys, made in milliseconds."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.authority = self._root("ca")
        self.front_authority = self._root("front-proxy-ca")
        self.server = self._issue("kube-apiserver", ExtendedKeyUsageOID.SERVER_AUTH, self.authority)
        self.front = self._issue("aggregator", ExtendedKeyUsageOID.CLIENT_AUTH, self.front_authority)
        self.admin = self.client("admin", [_MASTERS])
        self.kubelet_client = self.client("kube-apiserver-kubelet-client")
        self.tokens = self._key_pair("service-account")

    def client(self, user: str, groups: Sequence[str] = ()) -> Pair:
        """A user of this plane, known by certificate; the groups are what RBAC sees."""
        return self._issue(user, ExtendedKeyUsageOID.CLIENT_AUTH, self.authority, groups)

    def _files(self, name: str) -> Pair:
        return Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")

    def _root(self, name: str) -> Pair:
        pair = self._files(name)
        if not pair.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
            builder = _begin(subject, subject, key)
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            _store_key(pair.key, key)
            pair.certificate.write_bytes(_pem(builder.sign(key, hashes.SHA256())))
        return pair

    def _issue(self, name: str, usage: x509.ObjectIdentifier, issuer: Pair, groups: Sequence[str] = ()) -> Pair:
        pair = self._files("-".join([name, *groups]).replace(":", "-").replace("/", "-"))
        if not pair.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            parent = x509.load_pem_x509_certificate(issuer.certificate.read_bytes())
            builder = _begin(_subject(name, groups), parent.subject, key)
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            if usage == ExtendedKeyUsageOID.SERVER_AUTH:
                builder = builder.add_extension(x509.SubjectAlternativeName(_HOSTS), critical=False)
            _store_key(pair.key, key)
            pair.certificate.write_bytes(_pem(builder.sign(_load_key(issuer.key), hashes.SHA256())))
        return pair

    def _key_pair(self, name: str) -> Pair:
        """For signing tokens of ServiceAccounts: no certificate, the public half stands in its place."""
        pair = Pair(self._directory / f"{name}.pub", self._directory / f"{name}.key")
        if not pair.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _store_key(pair.key, key)
            pair.certificate.write_bytes(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
        return pair


_HOSTS = [
    x509.DNSName("localhost"),
    x509.DNSName("kubernetes.default.svc"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
]


def _subject(name: str, groups: Sequence[str]) -> x509.Name:
    """Kubernetes reads the user from CN and the groups from each O."""
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    dated = x509.CertificateBuilder(not_valid_before=now - datetime.timedelta(hours=1), not_valid_after=now + _VALID)
    named = dated.subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return named.serial_number(x509.random_serial_number())


def _store_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    file.touch(mode=0o600)
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
