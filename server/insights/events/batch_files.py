"""Results of batch jobs as files: `batches/<folder>` in the data folder, or in the bucket (contract 1.2.32)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from server import blobs, errors

if TYPE_CHECKING:
    from obstore.store import LocalStore, S3Store

PART = "batches"
# Whole names between slashes, none of which begins with a dot.
FOLDER = re.compile(r"(?!.{300})[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


class BatchFiles:
    """Reads lines of JSON, gzip or plain, out of one folder of batches."""

    def __init__(self, blob_url: str | None, folder: Path) -> None:
        self._blob_url = blob_url
        self._folder = folder / PART

    async def names(self, folder: str) -> list[str]:
        """The readable files of a batch in the order of their names; `NotFound` when there is none."""
        prefix = checked(folder).rstrip("/")
        found = [entry["path"] async for page in self._store().list(prefix=prefix) for entry in page]
        names = sorted(name for name in found if name.endswith(SUFFIXES))
        if not names:
            raise errors.NotFound(f"The batch {prefix} has no file that ends in {', '.join(SUFFIXES)}")
        return names

    async def chunks(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of a file, piece by piece."""
        answer = await self._store().get_async(name)
        async for chunk in answer.stream():
            yield bytes(chunk)

    def _store(self) -> LocalStore | S3Store:
        if self._blob_url is not None:
            return blobs.bucket(self._blob_url, PART)
        from obstore.store import LocalStore

        return LocalStore(self._folder, mkdir=True)


def checked(folder: str) -> str:
    """The folder of a batch; `BadRequest` when it is no plain path below the folder of all batches."""
    if not FOLDER.fullmatch(folder):
        raise errors.BadRequest("It must be a path of letters, digits, dots, hyphens and underscores.")
    return folder
