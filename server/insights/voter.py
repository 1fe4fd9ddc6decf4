"""Who asks or answers: a user by name, anybody else by device (contract 1.0, authentication and identities)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

from litestar import Request

from server.insights import faults

SCHEME_REFUSED = "Invalid authentication, Basic auth expected."
# What an old version of the mobile app sends for "nobody".
NOBODY = "null"
MAX_NAME_LENGTH = 200
MAX_DEVICE_LENGTH = 200


class Credentials(NamedTuple):
    """What the product server takes as proof: a session cookie, or a name with a password."""

    username: str
    password: str | None = None
    session: str | None = None


class Voter(NamedTuple):
    """`credentials` is None for somebody without a name; every voter has a device."""

    device_id: str
    credentials: Credentials | None = None

    @property
    def username(self) -> str | None:
        """The user's name, None for an anonymous voter."""
        return None if self.credentials is None else self.credentials.username


def voter_of(
    request: Request[Any, Any, Any], device_id: str | None, trusted_proxies: Iterable[str] = ()
) -> Voter:
    """The voter behind a request.

    Without a `device_id` of its own, that is a hash of the address, and of the addresses that a trusted proxy
    names. Raises `Unauthorised` for an Authorization header that is not Basic.
    """
    device_id = device_id or _address_hash(request, frozenset(trusted_proxies))
    return Voter(device_id[:MAX_DEVICE_LENGTH], credentials_of(request))


def credentials_of(request: Request[Any, Any, Any]) -> Credentials | None:
    """The name, from the Authorization header or else from the session cookie; None for nobody."""
    header = request.headers.get("authorization")
    found = _from_header(header) if header else None
    if found is None and (session := request.cookies.get("session")):
        found = _from_session(session)
    if found is None or not found.username or found.username == NOBODY:
        return None
    if "\x00" in found.username or len(found.username) > MAX_NAME_LENGTH:
        raise faults.unauthorised(SCHEME_REFUSED)
    return found


def _from_header(header: str) -> Credentials:
    scheme, space, encoded = header.strip().partition(" ")
    if not space:
        encoded = scheme
    elif scheme.lower() != "basic":
        raise faults.unauthorised(SCHEME_REFUSED)
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise faults.unauthorised(SCHEME_REFUSED) from None
    decoded = unquote(decoded)
    username, colon, password = decoded.partition(":")
    if not colon:
        raise faults.unauthorised(SCHEME_REFUSED)
    return Credentials(username, password=password)


def _from_session(session: str) -> Credentials | None:
    """The session is a flat list key&value&key&value."""
    items = unquote(session).split("&")
    # At even places only: a value may be "user_id" too.
    for place in range(0, len(items) - 1, 2):
        if items[place] == "user_id":
            return Credentials(items[place + 1], session=session)
    return None


def _address_hash(request: Request[Any, Any, Any], trusted: frozenset[str]) -> str:
    client = request.scope.get("client")
    address = client[0] if client else ""
    route = [address]
    if address in trusted:
        route += [request.headers.get("forwarded", ""), request.headers.get("x-forwarded-for", "")]
    return hashlib.sha1("|".join(route).encode(), usedforsecurity=False).hexdigest()
