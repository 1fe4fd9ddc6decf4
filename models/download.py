"""One file of a public repository onto the disk, taken up again where an earlier try broke off.

`huggingface_hub` knows addresses, access and errors. Its own download starts from the first byte after an
interruption; these files have gigabytes, so the transfer is made here.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from tqdm import tqdm

from models.installed import file_sha256
from models.manifest import Hub

# Attempts in a row that bring not one byte.
ATTEMPTS = 5
PAUSE_S = 1.0

_SHA256 = re.compile(r"[0-9a-f]{64}")


class DownloadFailed(RuntimeError):
    """The file did not come whole; the message says why."""


def fetch(hub: ModuleType, source: Hub, file: str, target: Path, *, endpoint: str | None = None) -> str:
    """Brings `file` of the repository to `target` and gives its SHA-256.

    A part that came lies beside the target until the rest has come. `endpoint`: another server that speaks
    the hub's language. Raises DownloadFailed, OSError when the disk is full, and what `hub` raises.
    """
    url = hub.hf_hub_url(source.repository, file, revision=source.revision, endpoint=endpoint)
    found = hub.get_hf_file_metadata(url, endpoint=endpoint)
    if found.etag is None or found.size is None:
        raise DownloadFailed(f"{url} tells neither tag nor size: this is no hub")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Named after the content: the part of another revision is not continued.
    part = target.with_name(f".{target.name}.{found.etag[:16]}.part")
    with part.open("ab") as stream:
        if stream.tell() > found.size:
            stream.truncate(0)
        _check_room(target.parent, found.size - stream.tell())
        with tqdm(
            desc=file, total=found.size, initial=stream.tell(), unit="B", unit_scale=True, disable=None
        ) as bar:
            _fill(hub, stream, url, found.size, bar)
        stream.flush()
        os.fsync(stream.fileno())
    sha256 = file_sha256(part)
    # The tag of a large file is its hash.
    if _SHA256.fullmatch(found.etag) and sha256 != found.etag:
        part.unlink()
        raise DownloadFailed(f"{file} came damaged: its sha256 is {sha256}, the hub says {found.etag}")
    part.replace(target)
    return sha256


def _fill(hub: ModuleType, stream: BinaryIO, url: str, size: int, bar: Any) -> None:
    """Reads until the file has its size; a line that breaks is taken up again."""
    failures = 0
    while (held := stream.tell()) < size:
        try:
            _read(hub, stream, url, bar)
        except OSError:  # the disk, or what the hub answered: trying again will not help
            raise
        except Exception as error:  # the HTTP client's; which one the hub uses may change
            failures = 1 if stream.tell() > held else failures + 1
            if failures >= ATTEMPTS:
                raise DownloadFailed(f"the line broke {ATTEMPTS} times: {error}") from error
            time.sleep(PAUSE_S * failures)
    if stream.tell() != size:
        stream.truncate(0)
        raise DownloadFailed(f"{size} bytes were announced, more came")


def _read(hub: ModuleType, stream: BinaryIO, url: str, bar: Any) -> None:
    headers = {**hub.utils.build_hf_headers(), "Accept-Encoding": "identity"}
    if stream.tell():
        headers["Range"] = f"bytes={stream.tell()}-"
    # Each time by way of the hub: its links to the store of large files expire, and the token stays with it.
    with hub.get_session().stream("GET", url, headers=headers, follow_redirects=True) as response:
        hub.utils.hf_raise_for_status(response)
        if response.status_code != 206:
            bar.update(-stream.tell())
            stream.truncate(0)
        for piece in response.iter_bytes():  # as it comes: a size would hold back what a break then loses
            stream.write(piece)
            bar.update(len(piece))


def _check_room(folder: Path, needed: int) -> None:
    """Refuses what cannot fit before a byte is fetched."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free")
