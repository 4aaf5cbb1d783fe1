"""A Protector's identity: an Ed25519 key that signs what it writes, an X25519 key to which the peer seals secrets for it.

The private halves stay in one file (mode 0600) beside the configuration; the public halves are exchanged when a site is registered
(`Site.signing_key`, `Site.sealing_key`, base64 of the raw 32 bytes). Sealing is an ephemeral X25519 agreement, HKDF-SHA256 and
ChaCha20-Poly1305: every message has its own key, and the group's id is authenticated with it, so that a sealed value of one group opens in no other.

IdentityError       the key file is missing, readable by others or damaged: the process must not start
SealBroken          a sealed value was made for another key or group, or was altered
"""

import base64
import binascii
import dataclasses
import json
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from siterecovery.protector.domain.errors import Forbidden, ProtectorError

_PURPOSE = b"protector sealed secret, version 1"
_KEY_BYTES = 32


class IdentityError(ProtectorError):
    code, title = "identity_key_file", "The identity key file cannot be used"


class SealBroken(Forbidden):
    code = "replica.seal_broken"


@dataclasses.dataclass(frozen=True)
class PublicKeys:
    """What a peer may know, base64."""

    signing_key: str
    sealing_key: str


class Identity:
    """Both private keys of one site. Never printed: `repr` shows the public halves only."""

    def __init__(self, signing: Ed25519PrivateKey, sealing: X25519PrivateKey) -> None:
        self._signing = signing
        self._sealing = sealing
        self.public = PublicKeys(
            _encode(signing.public_key().public_bytes_raw()), _encode(sealing.public_key().public_bytes_raw())
        )

    def __repr__(self) -> str:
        return f"Identity({self.public.signing_key})"

    @classmethod
    def generate(cls) -> "Identity":
        return cls(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_file(cls, path: str | Path) -> "Identity":
        """Raises IdentityError, also when others than the owner could read it: a leaked key lets anybody move every group."""
        path = Path(path)
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text()
        except OSError as error:
            raise IdentityError(
                f"The identity key file {path} cannot be read: {error.strerror}.",
                remedy="Run protector-manage as the user of the service, or set [secrets] identity_key_file.",
            ) from error
        if mode & 0o077:
            raise IdentityError(
                f"The identity key file {path} has mode {mode:04o}: others could read it.",
                remedy=f"chmod 600 {path}; if it may have been copied, make a new one and register the site again.",
            )
        try:
            data = json.loads(text)
            signing = Ed25519PrivateKey.from_private_bytes(_decode(data["signing_key"]))
            sealing = X25519PrivateKey.from_private_bytes(_decode(data["sealing_key"]))
        except (ValueError, KeyError, TypeError) as error:
            raise IdentityError(
                f"The identity key file {path} is damaged.", remedy="Restore it from the backup of this site."
            ) from error
        return cls(signing, sealing)

    @classmethod
    def load_or_create(cls, path: str | Path) -> "Identity":
        """Several processes may start at once: the first complete file wins, and all of them read it."""
        path = Path(path)
        if not path.exists():
            cls.generate()._write_new(path)
        return cls.from_file(path)

    def sign(self, message: bytes) -> str:
        return _encode(self._signing.sign(message))

    def unseal(self, sealed: str, *, group_id: str) -> str:
        """Raises SealBroken."""
        try:
            raw = _decode(sealed)
            sender = X25519PublicKey.from_public_bytes(raw[:_KEY_BYTES])
            key = _derive(self._sealing.exchange(sender), raw[:_KEY_BYTES], self.public.sealing_key)
            return (
                ChaCha20Poly1305(key).decrypt(raw[_KEY_BYTES:][:12], raw[_KEY_BYTES + 12 :], _bound(group_id)).decode()
            )
        except (ValueError, InvalidTag) as error:
            raise SealBroken(
                "A secret in the document was sealed for another site or group, or was altered.",
                remedy="Exchange the keys of both sites again (site create, site validate), then synchronise.",
            ) from error

    def _write_new(self, path: Path) -> None:
        private = {
            "signing_key": _encode(self._signing.private_bytes_raw()),
            "sealing_key": _encode(self._sealing.private_bytes_raw()),
        }
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                json.dump(private, out)
                out.flush()
                os.fsync(out.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                return  # another process was faster: its file is the identity
            finally:
                draft.unlink()
        except OSError as error:
            raise IdentityError(
                f"The identity key file {path} cannot be written: {error.strerror}.",
                remedy="Give the user of the service a directory it can write, or set [secrets] identity_key_file.",
            ) from error


def verify(signing_key: str, message: bytes, signature: str) -> bool:
    """False for a wrong signature and for a key or signature that is none."""
    try:
        Ed25519PublicKey.from_public_bytes(_decode(signing_key)).verify(_decode(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def seal(secret: str, sealing_key: str, *, group_id: str) -> str:
    """Only the owner of `sealing_key` can read it. Raises IdentityError when that is no key."""
    try:
        receiver = X25519PublicKey.from_public_bytes(_decode(sealing_key))
    except ValueError as error:
        raise IdentityError(
            "The peer's registered sealing key is not a key.", remedy="Register the site again to exchange the keys."
        ) from error
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    key = _derive(ephemeral.exchange(receiver), public, sealing_key)
    nonce = secrets.token_bytes(12)
    return _encode(public + nonce + ChaCha20Poly1305(key).encrypt(nonce, secret.encode(), _bound(group_id)))


def _derive(shared: bytes, ephemeral: bytes, sealing_key: str) -> bytes:
    info = _PURPOSE + ephemeral + _decode(sealing_key)
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(shared)


def _bound(group_id: str) -> bytes:
    return group_id.encode()


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("not base64") from error
