"""A session with one array: the REST version, the login, and the certainty that it is the array it should be.

Sessions end on the array's side without warning. Whoever then meets a 401 logs in again, one thread at a time; the others use the new
session. Sessions are logged out at the end, because an array that collects abandoned ones becomes unresponsive.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import httpx

from siterecovery.protector.arrays.flasharray.errors import refusal, translated
from siterecovery.protector.domain.credential import with_credential
from siterecovery.protector.domain.errors import CloudError, CloudRefused, TokenRejected
from siterecovery.protector.domain.secret import Secret

LOG = logging.getLogger(__name__)

# At debug level httpcore writes the headers of answers, and the login's answer carries the session's token.
logging.getLogger("httpcore").setLevel(logging.INFO)

Version = tuple[int, int]
HARD_FLOOR: Version = (2, 16)
"""Below it a copy cannot be kept out of default protection groups (`with_default_protection`)."""
RECOMMENDED: Version = (2, 26)


class Login(NamedTuple):
    """`prefix` begins the path of every call; `session` goes into its header and nowhere else."""

    prefix: str
    session: str


class ArraySession:
    """Login state of one array; `http` has the array's URL as its base."""

    def __init__(
        self,
        http: httpx.Client,
        url: str,
        token: Secret,
        ceiling: Version,
        expected_id: str | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._http = http
        self._url = url
        self._token = token
        self._ceiling = ceiling
        self._expected_id = expected_id
        self._sleep = sleep
        self._lock = threading.Lock()
        self._session: str | None = None
        self._version: Version | None = None
        self.name = ""

    def current(self) -> Login:
        """The one that all threads use, after a login if there is none yet."""
        with self._lock:
            return self._ready()

    def renew(self, refused: Login) -> Login:
        """A session newer than the refused one."""
        with self._lock:
            if self._session == refused.session:
                self._session = None
            return self._ready()

    def close(self) -> None:
        """Logs out; an array that cannot be reached forgets us by itself."""
        with self._lock:
            if self._session is None or self._version is None:
                return
            with contextlib.suppress(CloudError), translated(self._url, "POST logout"):
                self._http.post(f"{_prefix(self._version)}/logout", headers={"x-auth-token": self._session})
            self._session = None

    def _ready(self) -> Login:
        if self._version is None:
            self._version = self._negotiate()
        if self._session is None:
            self._session = self._identified(self._version)
        return Login(_prefix(self._version), self._session)

    def _negotiate(self) -> Version:
        with translated(self._url, "GET api_version"):
            answer = self._http.get("/api/api_version")
        if answer.status_code != 200:
            raise refusal(self._url, "GET api_version", answer)
        chosen = choose(answer.json().get("version", ()), self._ceiling)
        if chosen is None:
            raise CloudRefused(
                f"Array {self._url} offers no REST version between {_dotted(HARD_FLOOR)} and {_dotted(self._ceiling)}.",
                service=self._url,
                remedy="Upgrade Purity to 6.4.10 or later.",
            )
        if chosen < RECOMMENDED:
            LOG.warning("array %s speaks REST %s; %s is recommended", self._url, _dotted(chosen), _dotted(RECOMMENDED))
        return chosen

    def _login(self, version: Version) -> str:
        with translated(self._url, "POST login"):
            answer = self._http.post(f"{_prefix(version)}/login", headers={"api-token": self._token.reveal()})
        session = answer.headers.get("x-auth-token")
        if answer.status_code in (400, 401, 403):
            raise TokenRejected(
                f"Array {self._url} refuses the API token.",
                service=self._url,
                http_status=answer.status_code,
                remedy="Give the policy a token of this array that has not expired (pureadmin create --api-token).",
            )
        if answer.status_code != 200 or not session:
            raise refusal(self._url, "POST login", answer)
        return str(session)

    def _identified(self, version: Version) -> str:
        """A session with the array it should be: addresses move and names are given twice; the id is the array."""

        def who(session: str) -> httpx.Response:
            with translated(self._url, "GET arrays"):
                return self._http.get(f"{_prefix(version)}/arrays", headers={"x-auth-token": session})

        answer, session = with_credential(self._login(version), who, lambda _: self._login(version), self._sleep)
        if answer.status_code != 200:
            raise refusal(self._url, "GET arrays", answer)
        array = answer.json()["items"][0]
        if self._expected_id not in (None, array["id"]):
            raise CloudRefused(
                f"Array {self._url} has the id {array['id']}, not {self._expected_id}: it is another array than before.",
                service=self._url,
                remedy="Correct the address; if the array was really replaced, correct its id in the configuration and restart.",
            )
        self._expected_id, self.name = array["id"], array["name"]
        return session


def choose(offered: Sequence[str], ceiling: Version) -> Version | None:
    """The greatest offered version of REST 2 within our limits. Not every minor number exists, and old arrays list REST 1 too."""
    parsed = [_parse(text) for text in offered]
    return max((version for version in parsed if version and HARD_FLOOR <= version <= ceiling), default=None)


def _parse(text: str) -> Version | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def _prefix(version: Version) -> str:
    return f"/api/{_dotted(version)}"


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
