"""Whether somebody is who he says, asked of the product server where the operator wants that (contract 1.0)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from server import errors
from server.deadline import Deadline
from server.insights import faults

if TYPE_CHECKING:
    from server.fetch import Fetcher
    from server.insights.voter import Credentials

PATH = "/cgi/auth.pl"
REFUSED = "Invalid user name or password."
FORM = "application/x-www-form-urlencoded"
TIMEOUT_S = 5.0
REMEMBERED_S = 300.0
MAX_REMEMBERED = 10_000


class Unverified(Exception):
    """The product server gave no answer, so nobody knows."""


class CredentialCheck:
    """Asks once, then believes the answer for some minutes; without the server's address everybody is believed."""

    def __init__(self, fetcher: Fetcher, product_opener_url: str | None) -> None:
        self._fetcher = fetcher
        self._url = None if product_opener_url is None else product_opener_url.rstrip("/") + PATH
        # What was answered and until when it holds, oldest first; no password is kept.
        self._remembered: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()

    async def verify(self, credentials: Credentials | None) -> None:
        """Nobody passes; `Unauthorised` for a wrong password or session, `Unverified` if that cannot be told."""
        if credentials is None or self._url is None:
            return
        key = hashlib.sha256(repr(credentials).encode()).digest()
        is_right, until_s = self._remembered.get(key, (False, 0.0))
        if until_s <= monotonic():
            is_right = await self._ask(self._url, credentials)
            self._remembered[key] = is_right, monotonic() + REMEMBERED_S
            self._remembered.move_to_end(key)
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        if not is_right:
            raise faults.unauthorised(REFUSED)

    async def _ask(self, url: str, credentials: Credentials) -> bool:
        headers = {"Content-Type": FORM}
        fields = {"user_id": credentials.username, "password": credentials.password or ""}
        if credentials.session is not None:
            headers["Cookie"] = f"session={credentials.session}"
            fields = {}
        try:
            status = await self._fetcher.post(
                url, urlencode(fields).encode(), headers=headers, deadline=Deadline.after(TIMEOUT_S)
            )
        except (errors.AisleError, TimeoutError) as fault:
            raise Unverified from fault
        if status == 200:
            return True
        if status in (401, 403):
            return False
        raise Unverified
