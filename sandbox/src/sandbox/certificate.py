"""A self-signed certificate for the simulated arrays, as real arrays ship one.

It is kept in the world's state directory, so that a client which was given the PEM stays content over a restart.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CERTIFICATE, KEY = "array-ca.pem", "array-key.pem"
_VALID_DAYS, _RENEW_DAYS = 365, 7


def ensure(directory: Path) -> Path:
    """Make certificate and key in `directory` unless a lasting pair is there; return the PEM a client verifies with."""
    directory.mkdir(parents=True, exist_ok=True)
    pem, key = directory / CERTIFICATE, directory / KEY
    if not (pem.exists() and key.exists() and _lasts(pem)):
        _write(pem, key)
    return pem


def server_context(directory: Path) -> ssl.SSLContext:
    """The TLS side of a server that shows the directory's certificate."""
    pem = ensure(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, directory / KEY)
    return context


def _lasts(pem: Path) -> bool:
    end = x509.load_pem_x509_certificate(pem.read_bytes()).not_valid_after_utc
    return end > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=_RENEW_DAYS)


def _write(pem: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox array")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
