"""A versioned folder of arrays on disk: written aside and renamed, refused as a whole when a byte is wrong.

    FOLDER/00000000000000000042-9f86d081884c7d65/manifest.json, ids-0, vectors-0, ...

The name of a version holds its change sequence and the start of its manifest's SHA-256; the manifest holds
size and SHA-256 of every other file. A version is complete as soon as it has its name, and is never written
to again (overwriting a file that another process has mapped ends that process).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 2
MANIFEST = "manifest.json"
ASIDE = ".writing-"
STALE_S = 24 * 3600
"""Age after which what a crashed writer left behind is removed."""
ATTEMPTS = 3


class SnapshotRejected(Exception):
    """A snapshot is absent, incomplete, damaged, or of something else; the message names what is wrong."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One array: its file, element type (with byte order), shape, size and hash."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a version holds.

    Attributes:
        format: Version of this layout.
        kind: What the arrays are, `embeddings` or `images`.
        space: Embedding space, or kind of descriptor.
        dimension: Numbers per vector.
        count: Vectors (or images) that count.
        sequence: Change sequence up to which changes are included.
        details: What the kind needs beside its arrays.
        arrays: One entry per file.
    """

    format: int
    kind: str
    space: str
    dimension: int
    count: int
    sequence: int
    details: dict[str, Any]
    arrays: tuple[Entry, ...]


def write(
    folder: Path,
    arrays: Mapping[str, NDArray[Any]],
    *,
    kind: str,
    space: str,
    dimension: int,
    count: int,
    sequence: int,
    details: dict[str, Any],
) -> Path:
    """Write a version, then remove the older ones; the path of the new one.

    Raises:
        OSError: The disk refused; the previous version is untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder))
    try:
        entries = tuple(write_array(aside, name, array) for name, array in arrays.items())
        manifest = Manifest(
            format=FORMAT,
            kind=kind,
            space=space,
            dimension=dimension,
            count=count,
            sequence=sequence,
            details=details,
            arrays=entries,
        )
        encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        write_bytes(aside / MANIFEST, encoded)
        flush_folder(aside)
        version = folder / f"{sequence:020d}-{hashlib.sha256(encoded).hexdigest()[:16]}"
        if not version.exists():  # the same content, written twice, is there already
            aside.rename(version)
            flush_folder(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for other in versions(folder):
        if other != version:
            shutil.rmtree(other, ignore_errors=True)
    for left in folder.glob(f"{ASIDE}*"):
        if time.time() - left.stat().st_mtime > STALE_S:
            shutil.rmtree(left, ignore_errors=True)
    return version


def read(folder: Path, *, kind: str, space: str, dimension: int) -> tuple[Manifest, dict[str, NDArray[Any]]]:
    """The newest version, every byte of it checked.

    Raises:
        SnapshotRejected: None there, or anything about it is not as written or not as asked for.
    """
    for _ in range(ATTEMPTS):
        found = versions(folder)
        if not found:
            raise SnapshotRejected(f"no snapshot in {folder}")
        try:
            return read_version(found[-1], kind=kind, space=space, dimension=dimension)
        except SnapshotRejected:
            # Another process may have replaced it while it was being read.
            if found[-1].exists():
                raise
    raise SnapshotRejected(f"snapshots in {folder} keep being replaced")


def versions(folder: Path) -> list[Path]:
    """Complete versions, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*-*") if path.is_dir())


def read_version(
    version: Path, *, kind: str, space: str, dimension: int
) -> tuple[Manifest, dict[str, NDArray[Any]]]:
    """One version, every byte of it checked."""
    try:
        encoded = (version / MANIFEST).read_bytes()
        if not version.name.endswith("-" + hashlib.sha256(encoded).hexdigest()[:16]):
            raise SnapshotRejected(f"{MANIFEST} of {version.name} is not the one that was written")
        manifest = msgspec.json.decode(encoded, type=Manifest)
        for name, found, wanted in (
            ("format", manifest.format, FORMAT),
            ("kind", manifest.kind, kind),
            ("space", manifest.space, space),
            ("dimension", manifest.dimension, dimension),
        ):
            if found != wanted:
                raise SnapshotRejected(f"{name} of {version.name} is {found}, not {wanted}")
        return manifest, {entry.name: read_array(version / entry.name, entry) for entry in manifest.arrays}
    except (OSError, msgspec.DecodeError) as error:
        raise SnapshotRejected(f"{version.name}: {error}") from error


def write_array(folder: Path, name: str, array: NDArray[Any]) -> Entry:
    """Write the numbers of an array as they lie in memory."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    write_bytes(folder / name, data.data)
    return Entry(
        name=name,
        dtype=array.dtype.str,
        shape=array.shape,
        bytes=data.nbytes,
        sha256=hashlib.sha256(data.data).hexdigest(),
    )


def read_array(path: Path, entry: Entry) -> NDArray[Any]:
    """The array of an entry; the numbers are read once, into their final place."""
    size = path.stat().st_size
    if size != entry.bytes:
        raise SnapshotRejected(f"{path.name} of {path.parent.name} has {size} bytes, not {entry.bytes}")
    data = np.empty(size, dtype=np.uint8)
    with path.open("rb") as file:
        if file.readinto(data.data) != size:
            raise SnapshotRejected(f"{path.name} of {path.parent.name} ended early")
    if hashlib.sha256(data.data).hexdigest() != entry.sha256:
        raise SnapshotRejected(f"{path.name} of {path.parent.name} does not have the hash of its manifest")
    return data.view(np.dtype(entry.dtype)).reshape(entry.shape)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a new file and wait until the disk has it."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
