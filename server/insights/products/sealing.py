"""Credentials that must wait in the database, unreadable without the key in the data folder."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING

import msgspec

from server.insights.voter import Credentials

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

    from server.data_folder import DataFolder

# After that nobody's password can be read any more, wherever a copy of the database is.
LIFETIME_S = 86_400
KEY_NAME = "credentials"


class Unsealable(Exception):
    """Sealed too long ago, or with another server's key."""


class Sealing:
    """Every process of a server, and every machine that runs its jobs, needs the same key; open it before use."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._fernet: Fernet | None = None

    async def open(self) -> None:
        """Read the key, which is made at first use."""
        self._fernet = await asyncio.to_thread(self._made)

    def seal(self, credentials: Credentials | None) -> str | None:
        """Text that can be stored; nobody's credentials need none."""
        if credentials is None:
            return None
        return self._ready().encrypt(msgspec.json.encode(credentials)).decode()

    def unseal(self, sealed: str | None) -> Credentials | None:
        """What was sealed; `Unsealable` after `LIFETIME_S`, or with another key."""
        if sealed is None:
            return None
        from cryptography.fernet import InvalidToken

        try:
            plain = self._ready().decrypt(sealed.encode(), ttl=LIFETIME_S)
        except InvalidToken as fault:
            raise Unsealable("the credentials of this write cannot be read any more") from fault
        return msgspec.json.decode(plain, type=Credentials)

    def _ready(self) -> Fernet:
        assert self._fernet is not None, "opened before use"
        return self._fernet

    def _made(self) -> Fernet:
        # Loaded late and off the event loop: it is large, and few servers need it.
        from cryptography.fernet import Fernet

        self._folder.create()
        folder = os.open(self._folder.keys, os.O_RDONLY)
        try:
            # Processes that start together must not each make a key of their own.
            fcntl.flock(folder, fcntl.LOCK_EX)
            secret, _ = self._folder.secret(KEY_NAME)
        finally:
            os.close(folder)
        return Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))
