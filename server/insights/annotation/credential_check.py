"""Whether somebody is who he says, asked of the product server where the operator wants that (contract 1.0)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING

from server.insights import faults
from server.insights.products.products import ProductWriteFailed

if TYPE_CHECKING:
    from server.insights.products.product_server import ProductServer
    from server.insights.voter import Credentials

REFUSED = "Invalid user name or password."
REMEMBERED_S = 300.0
MAX_REMEMBERED = 10_000


class Unverified(Exception):
    """The product server gave no answer, so nobody knows."""


class CredentialCheck:
    """Asks the server once, then believes its answer for some minutes; without a server everybody is believed.

    Open it before use, close it after.
    """

    def __init__(self, server: ProductServer | None, *, remembered_s: float = REMEMBERED_S) -> None:
        self._server = server
        self._remembered_s = remembered_s
        # What was answered and until when it holds, oldest first; no password is kept.
        self._remembered: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()

    async def open(self) -> None:
        """Be ready to ask."""
        if self._server is not None:
            await self._server.open()

    async def close(self) -> None:
        """Close every connection."""
        if self._server is not None:
            await self._server.close()

    async def verify(self, credentials: Credentials | None) -> None:
        """Nobody passes; `Unauthorised` for a wrong password or session, `Unverified` if that cannot be told."""
        if credentials is None or self._server is None:
            return
        key = hashlib.sha256(repr(credentials).encode()).digest()
        is_right, until_s = self._remembered.get(key, (False, 0.0))
        if until_s <= monotonic():
            try:
                is_right = await self._server.knows(credentials)
            except ProductWriteFailed as fault:
                raise Unverified from fault
            self._remembered[key] = is_right, monotonic() + self._remembered_s
            self._remembered.move_to_end(key)
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        if not is_right:
            raise faults.unauthorised(REFUSED)
