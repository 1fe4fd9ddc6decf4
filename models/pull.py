"""Fetching public networks through `huggingface_hub`, and pinning what came."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from models.installed import Installed, Record, file_sha256
from models.manifest import Hub, NetworkSpec


class PullFailed(RuntimeError):
    """The network was not fetched; the message says why and what to do."""


def pull(
    spec: NetworkSpec, installed: Installed, *, offline: bool = False, hub: ModuleType | None = None
) -> Record:
    """Fetches one public network, or finds it already here; an interrupted download is taken up again.

    Shows its own progress bar. `offline` uses only what an earlier pull left. The file counts as
    installed only once its hash is checked: against the manifest, else against the first download.
    `hub` stands in for the `huggingface_hub` module. Raises PullFailed.
    """
    if not isinstance(spec.source, Hub):
        raise PullFailed(f"{spec.name} comes with the program: there is nothing to pull")
    folder = installed.folder_of(spec)
    known, state = installed.record(spec), installed.verify(spec)
    if known is not None and state == "ok":
        return known
    hub = hub or _hub()
    # Read before the download: it is what the new bytes are held against.
    expected = installed.expected_sha256(spec)
    folder.mkdir(parents=True, exist_ok=True)
    if state == "changed":
        # Left in place, the hub might take it for the download.
        (folder / spec.source.file).unlink()
    try:
        path = Path(
            hub.hf_hub_download(
                repo_id=spec.source.repository,
                filename=spec.source.file,
                revision=spec.source.revision,
                local_dir=folder,
                local_files_only=offline,
            )
        )
    except Exception as error:  # the hub raises the errors of its HTTP client, which may change
        raise PullFailed(f"{spec.name}: {spec.source.repository} could not be fetched: {error}") from error
    found = file_sha256(path)
    if expected is not None and found != expected:
        path.unlink()
        raise PullFailed(
            f"{spec.name}: the file that came has sha256 {found}, pinned is {expected}; it was deleted"
        )
    return installed.keep(spec, spec.source, found, path.stat().st_size)


def _hub() -> ModuleType:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise PullFailed("pulling networks needs the extra 'hub': pip install '.[hub]'") from error
