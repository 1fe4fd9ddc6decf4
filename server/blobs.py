"""Pictures by the hash of their bytes: on a local disk, or in an S3-compatible bucket.

What `put` returned is durable. A row that names a blob is written after it; a blob that no row names any more
is deleted by a job, see `delete`.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from obstore.exceptions import BaseError, GenericError
from obstore.exceptions import NotFoundError as NoSuchObject

from server import errors

if TYPE_CHECKING:
    from obstore.store import S3Store

FULL = (errno.ENOSPC, errno.EDQUOT)
# What stores of this kind say when they are full.
FULL_CODES = ("QuotaExceeded", "StorageFull", "InsufficientCapacity", "507")
# Pictures leave this much to the database, which fares badly on a disk that is full to the brim.
RESERVE_BYTES = 32 * 2**20
NAME = re.compile(r"[0-9a-f]{64}")
# A file that was being written when its process died is litter after this long.
LITTER_AGE_S = 86_400.0


def name_of(data: bytes) -> str:
    """The SHA-256 of the bytes as 64 hex digits: a blob's name."""
    return hashlib.sha256(data).hexdigest()


class Blobs:
    """Put, get and delete bytes by their SHA-256."""

    def __init__(self, store: LocalFolder | Bucket) -> None:
        self._store = store

    @classmethod
    def at(cls, url: str | None, folder: Path, part: str = "") -> Blobs:
        """In the bucket the URL names, else in the folder; `part` keeps one owner's blobs from another's.

        Whoever deletes what his rows no longer name must not delete what somebody else's rows do.
        """
        return cls(LocalFolder(folder / part) if url is None else Bucket(url, part))

    async def open(self) -> None:
        """Clear away what processes that died left half-written."""
        if isinstance(self._store, LocalFolder):
            await asyncio.to_thread(self._store.sweep)

    async def put(self, data: bytes) -> str:
        """Store and return the name; on return it is durable. `StorageFull` leaves nothing half-written."""
        name = await asyncio.to_thread(name_of, data)
        await self._store.put(name, data)
        return name

    async def get(self, name: str) -> bytes:
        """The bytes, or `NotFound`."""
        return await self._store.get(_checked(name))

    async def exists(self, name: str) -> bool:
        """Whether the blob is there."""
        return await self._store.age_s(_checked(name)) is not None

    async def delete(self, name: str, *, older_than_s: float = 0.0) -> bool:
        """Remove it, unless it was put less than `older_than_s` ago; whether it is gone.

        The age protects a blob that somebody puts again while its last reference is being removed: the new
        row may not be committed yet.
        """
        age_s = await self._store.age_s(_checked(name))
        if age_s is not None and age_s < older_than_s:
            return False
        await self._store.delete(name)
        return True


class LocalFolder:
    """Two levels of folders of 256 each, so that no folder grows large."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder / "incoming"

    async def put(self, name: str, data: bytes) -> None:
        """Write aside, flush to disk, rename, flush the folder."""
        await asyncio.to_thread(self._put, name, data)

    async def get(self, name: str) -> bytes:
        """The bytes, or `NotFound`."""
        try:
            return await asyncio.to_thread(self._path(name).read_bytes)
        except FileNotFoundError:
            raise errors.NotFound("No such picture") from None

    async def age_s(self, name: str) -> float | None:
        """Seconds since the latest put, or None when it is not there."""
        try:
            stat = await asyncio.to_thread(self._path(name).stat)
        except FileNotFoundError:
            return None
        return time.time() - stat.st_mtime

    async def delete(self, name: str) -> None:
        """Remove it if it is there."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)

    def sweep(self) -> int:
        """Remove what dead processes left half-written; how many."""
        removed = 0
        if self._aside.is_dir():
            for path in self._aside.iterdir():
                with suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > LITTER_AGE_S:
                        path.unlink()
                        removed += 1
        return removed

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:4] / name

    def _put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        aside = self._aside / f"{name}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            if path.exists():
                # It is whole, because only a rename brings it here; its age starts anew.
                os.utime(path)
                return
            self._make(self._folder)
            if shutil.disk_usage(self._folder).free < RESERVE_BYTES + len(data):
                raise OSError(errno.ENOSPC, "the rest is reserved")
            self._make(path.parent)
            self._make(self._aside)
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            _flush_folder(path.parent)
        except OSError as fault:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            if fault.errno in FULL:
                raise errors.StorageFull("The disk for pictures is full") from fault
            raise

    def _make(self, folder: Path) -> None:
        """Create a folder whose entry in its parent is durable too."""
        if folder.is_dir():
            return
        if folder != self._folder:
            self._make(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        _flush_folder(folder.parent)


class Bucket:
    """`s3://bucket/prefix?endpoint=http://host:9000&region=us-east-1`; credentials from the AWS variables."""

    def __init__(self, url: str, part: str = "") -> None:
        self._url, self._part = url, part
        self._opened: S3Store | None = None

    async def put(self, name: str, data: bytes) -> None:
        """The store answers only when the object is durable."""
        try:
            await self._client().put_async(name, data, use_multipart=False)
        except BaseError as fault:
            raise _bucket_fault(fault) from fault

    async def get(self, name: str) -> bytes:
        """The bytes, or `NotFound`."""
        try:
            answer = await self._client().get_async(name)
            return bytes(await answer.bytes_async())
        except (NoSuchObject, FileNotFoundError):
            raise errors.NotFound("No such picture") from None
        except BaseError as fault:
            raise _bucket_fault(fault) from fault

    async def age_s(self, name: str) -> float | None:
        """Seconds since the latest put, or None when it is not there."""
        try:
            found = await self._client().head_async(name)
        except (NoSuchObject, FileNotFoundError):
            return None
        except BaseError as fault:
            raise _bucket_fault(fault) from fault
        return time.time() - found["last_modified"].timestamp()

    async def delete(self, name: str) -> None:
        """Remove it if it is there."""
        try:
            await self._client().delete_async(name)
        except (NoSuchObject, FileNotFoundError):
            return
        except BaseError as fault:
            raise _bucket_fault(fault) from fault

    def _client(self) -> S3Store:
        if self._opened is None:
            self._opened = bucket(self._url, self._part)
        return self._opened


def bucket(url: str, part: str = "") -> S3Store:
    """The objects under the URL's prefix and this part of it."""
    from obstore.store import S3Store

    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    prefix = "/".join(name for name in (parts.path.strip("/"), part) if name)
    endpoint = query.get("endpoint")
    return S3Store(
        parts.netloc,
        prefix=prefix or None,
        config={"region": query.get("region", "us-east-1"), **({"endpoint": endpoint} if endpoint else {})},
        client_options={
            "allow_http": (endpoint or "").startswith("http://"),
            "timeout": "30s",
            "connect_timeout": "5s",
        },
        retry_config={"max_retries": 2},
    )


def _checked(name: str) -> str:
    """A name may come from an address: nothing but a hash reaches the disk."""
    if not NAME.fullmatch(name):
        raise errors.NotFound("No such picture")
    return name


def _bucket_fault(fault: BaseError) -> errors.AisleError:
    if isinstance(fault, GenericError) and any(code in str(fault) for code in FULL_CODES):
        return errors.StorageFull("The store for pictures is full")
    return errors.NotReady("The store for pictures does not answer")


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
