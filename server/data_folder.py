"""The data folder: who holds it, and the keys kept in it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from pathlib import Path
from typing import IO


class DataFolderBusy(RuntimeError):
    """Another server works in this folder."""


class DataFolder:
    """`postgres/`, `blobs/`, `snapshots/` and `keys/` under one path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def postgres(self) -> Path:
        """The embedded database."""
        return self.path / "postgres"

    @property
    def blobs(self) -> Path:
        """Pictures, named by their hash."""
        return self.path / "blobs"

    @property
    def snapshots(self) -> Path:
        """Copies of indexes, for a fast start."""
        return self.path / "snapshots"

    @property
    def keys(self) -> Path:
        """Secrets of this server, readable by its owner only."""
        return self.path / "keys"

    def create(self) -> None:
        """Make what is missing."""
        for folder in (self.path, self.blobs, self.snapshots):
            folder.mkdir(parents=True, exist_ok=True)
        self.keys.mkdir(mode=0o700, exist_ok=True)

    def hold(self) -> None:
        """Take the folder for this process until `release` or its end; `DataFolderBusy` when taken.

        The kernel drops the lock with the process, however it ends.
        """
        self.create()
        lock = (self.path / ".lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            lock.close()
            if fault.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise DataFolderBusy(f"{self.path} is used by another server") from fault
            raise
        self._lock = lock

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def admin_key(self) -> tuple[str, bool]:
        """The key of `/admin/v1` and whether it was made just now."""
        return self.secret("admin")

    def secret(self, name: str) -> tuple[str, bool]:
        """A secret of 40 hex digits that stays the same, and whether it was made just now."""
        path = self.keys / name
        try:
            kept = path.read_text().strip()
        except FileNotFoundError:
            kept = ""
        if kept:
            return kept, False
        made = secrets.token_hex(20)
        aside = path.with_name(f"{name}.{os.getpid()}")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{made}\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        return made, True
