"""Trust in an array's certificate: a CA file, or the SHA-256 fingerprint of the very certificate, checked before anything is sent.

Arrays ship self-signed certificates, and the first thing a client sends is its API token: a check after the fact would come too late.
"""

import contextvars
import hashlib
import hmac
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siterecovery.protector.domain.errors import BadRequest
from siterecovery.workflow.ownership import still_owned

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


CHANGING: contextvars.ContextVar[bool] = contextvars.ContextVar("changing", default=False)
"""Set around a call that changes something."""


class _LastLook(ssl.SSLSocket):
    """The lease is asked for right before the bytes of a change leave: all that is left is the instant between two lines."""

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        if CHANGING.get():
            still_owned()
        return super().send(data, flags)


class _PinnedContext(ssl.SSLContext):
    """Shakes hands with whoever answers, and hangs up unless the certificate is the expected one."""

    fingerprint: str = ""

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Called by the HTTP library for each connection."""
        wrapped = super().wrap_socket(*args, **options)
        found = hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(found, self.fingerprint):
            wrapped.close()
            raise ssl.SSLCertVerificationError(f"the certificate's SHA-256 is {found}, not the pinned one")
        return wrapped


def context(*, ca_file: Path | None, fingerprint: str | None, verify: bool) -> ssl.SSLContext:
    """A pin wins over a CA file, which wins over the system's; `verify=False` trusts anybody and is the operator's own risk."""
    made = _pinned(fingerprint) if fingerprint is not None else _by_authority(ca_file, verify=verify)
    made.sslsocket_class = _LastLook
    return made


def _by_authority(ca_file: Path | None, *, verify: bool) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _pinned(fingerprint: str) -> ssl.SSLContext:
    plain = fingerprint.replace(":", "").strip().lower()
    if len(plain) != 64 or set(plain) - set("0123456789abcdef"):
        raise BadRequest(
            f"'{fingerprint}' is no SHA-256 fingerprint.",
            remedy="Take it from: openssl x509 -noout -fingerprint -sha256 -in certificate.pem",
        )
    made = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE  # the fingerprint is the verification
    made.fingerprint = plain
    return made
