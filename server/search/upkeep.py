"""What keeps replicas small, fast and quick to load: compaction, and snapshots on disk.

A snapshot holds the index of one collection, the costly part of a load. The database stays the truth: what
changed since the snapshot is read again, and a doubtful snapshot is refused.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index import snapshot
from index.snapshot import SnapshotRejected
from server.search.replica import Replica

logger = logging.getLogger(__name__)

# A snapshot is worth its writing when a load would have to index so many images again, or so large a share.
MIN_IMAGES_BEHIND = 500
SHARE_BEHIND = 0.1
PREFIX = "search-"
LOCK = ".lock"


class Upkeep:
    """Works on one replica at a time, in a thread of its own, beside searches and writers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns = asyncio.Semaphore(1)

    def folder(self, collection: str) -> Path:
        """Where the snapshots of a collection are."""
        return self._folder / f"{PREFIX}{collection}"

    def restored(self, collection: str) -> tuple[Replica, dict[str, int], int] | None:
        """As `Replica.restored`; None when there is no snapshot that can be used."""
        folder = self.folder(collection)
        if not folder.exists():
            return None
        try:
            return Replica.restored(folder)
        except SnapshotRejected as fault:
            logger.warning("snapshot refused", extra={"collection": collection, "reason": str(fault)})
            return None

    async def look_after(self, collection: str, replica: Replica, sequence: int, behind: int) -> bool:
        """Compact if that is due, and write a snapshot if that pays; whether there is one of `sequence` now.

        behind: Images that changed since the newest snapshot.
        """
        pays = behind >= max(MIN_IMAGES_BEHIND, SHARE_BEHIND * len(replica))
        if not pays and not replica.compact_due:
            return False
        async with self._turns:
            if replica.compact_due:
                await asyncio.to_thread(replica.compact)
            return pays and await asyncio.to_thread(self.save, collection, replica, sequence)

    def check(self) -> dict[str, str]:
        """Every collection that has a snapshot, read whole: "N images", or why it would be refused."""
        found: dict[str, str] = {}
        for folder in sorted(self._folder.glob(f"{PREFIX}*")):
            try:
                found[folder.name.removeprefix(PREFIX)] = f"{len(Replica.restored(folder)[1])} images"
            except SnapshotRejected as fault:
                found[folder.name.removeprefix(PREFIX)] = f"refused: {fault}"
        return found

    def discard(self, collection: str = "*") -> None:
        """Remove the snapshots of a collection, or of all, so that the next load reads the database alone."""
        for folder in self._folder.glob(f"{PREFIX}{collection}"):
            shutil.rmtree(folder, ignore_errors=True)

    def save(self, collection: str, replica: Replica, sequence: int) -> bool:
        """Write a snapshot unless another worker has; False when one is writing, or the disk refuses."""
        folder = self.folder(collection)
        try:
            with _alone(folder) as is_alone:
                if is_alone and snapshot.newest(folder) < sequence:
                    replica.save(folder, sequence)
                return is_alone
        except OSError as fault:
            # Without it the next start takes longer, and that is all.
            logger.warning("snapshot not written", extra={"collection": collection, "reason": str(fault)})
            return False


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process writes there now; the kernel drops the lock with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
