"""Fetching public networks through `huggingface_hub`, and pinning what came."""

from __future__ import annotations

import errno
import importlib
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

from models.download import fetch
from models.installed import Installed, Record, file_sha256
from models.manifest import Hub, NetworkSpec


class PullFailed(RuntimeError):
    """The network was not fetched; the message says why and what to do."""


def pull(
    spec: NetworkSpec, installed: Installed, *, offline: bool = False, endpoint: str | None = None
) -> Record:
    """Fetches one public network, or finds it already here; an interrupted download is taken up again.

    Shows its own progress bar. `offline` uses only what an earlier pull left. The files count as installed
    only once their hashes are checked: against the manifest, else against the first download. `endpoint`
    stands for another hub, `HF_ENDPOINT` if None. Raises PullFailed.
    """
    source = spec.source
    if not isinstance(source, Hub):
        raise PullFailed(f"{spec.name} comes with the program: there is nothing to pull")
    if spec.unsupported is not None:
        raise PullFailed(f"{spec.name} cannot be run here: {spec.unsupported}")
    known = installed.record(spec)
    if known is not None and installed.verify(spec) == "ok":
        return known
    if offline:
        raise PullFailed(f"{spec.name} is not here, or not whole, and nothing may be fetched offline")
    hub = _hub()
    folder = installed.folder_of(spec)
    # Read before the download: it is what the new bytes are held against.
    expected = installed.expected(spec)
    try:
        files = [source.file, *_others(hub, source, endpoint)]
        hashes = {file: _bring(hub, source, file, folder, expected.get(file), endpoint) for file in files}
    except PullFailed as error:
        raise PullFailed(f"{spec.name}: {error}") from error
    except Exception as error:  # the hub raises the errors of its HTTP client, which may change
        raise PullFailed(
            f"{spec.name}: {source.repository} could not be fetched: {_reason(hub, source, folder, error)}"
        ) from error
    sha256 = hashes.pop(source.file)
    return installed.keep(spec, source, sha256, (folder / source.file).stat().st_size, hashes)


def _others(hub: ModuleType, source: Hub, endpoint: str | None) -> list[str]:
    """The files beside the ONNX file; patterns are looked up in the repository's list."""
    if not any("*" in pattern for pattern in source.others):
        return list(source.others)
    listed = hub.HfApi(endpoint=endpoint).list_repo_files(source.repository, revision=source.revision)
    return [
        file
        for file in sorted(listed)
        if file != source.file and any(fnmatch(file, pattern) for pattern in source.others)
    ]


def _bring(
    hub: ModuleType, source: Hub, file: str, folder: Path, pinned: str | None, endpoint: str | None
) -> str:
    """The SHA-256 of the file, which then lies in `folder`; one that is there and as pinned is not fetched."""
    target = folder / file
    if pinned is not None and target.is_file() and file_sha256(target) == pinned:
        return pinned
    found = fetch(hub, source, file, target, endpoint=endpoint)
    if pinned is not None and found != pinned:
        target.unlink()
        raise PullFailed(f"{file} came with sha256 {found}, pinned is {pinned}; it was deleted")
    return found


def _reason(hub: ModuleType, source: Hub, folder: Path, error: Exception) -> str:
    """What is wrong and what to do, in one line."""
    if isinstance(error, hub.errors.GatedRepoError):
        return "its terms have to be accepted on the hub first, then HF_TOKEN has to name the account"
    status = error.response.status_code if isinstance(error, hub.errors.HfHubHTTPError) else None
    if isinstance(error, hub.errors.RepositoryNotFoundError) or status in (401, 403):
        return "there is no such repository, or it is private and HF_TOKEN names no account that may read it"
    if isinstance(error, hub.errors.RevisionNotFoundError):
        return f"it has no revision {source.revision}"
    if isinstance(error, hub.errors.RemoteEntryNotFoundError):
        return f"a file is not in revision {source.revision}: {str(error).splitlines()[-1]}"
    if isinstance(error, hub.errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids any download"
    if status is not None:
        return f"the hub answered {status}; run it again later"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            f"the disk of {folder} is full: {error.strerror}; what came is kept, run it again with more room"
        )
    return str(error).partition("\n")[0]


def _hub() -> ModuleType:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise PullFailed("pulling networks needs the extra 'hub': pip install '.[hub]'") from error
