"""Which networks are on this machine, where, and whether their bytes are the pinned ones."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

import msgspec

from models.manifest import Code, Hub, Manifest, NetworkSpec, Shipped, Task

State = Literal["ok", "missing", "changed"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the first download of a public network was; later ones must be the same bytes."""

    repository: str
    revision: str
    file: str
    sha256: str
    size_bytes: int
    # SHA-256 of the files beside it, by path.
    others: dict[str, str] = {}


class Installed:
    """The networks of one data directory; `folder` need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def folder_of(self, spec: NetworkSpec) -> Path:
        """Where `models pull` puts this version of the network."""
        return self.folder / spec.name / spec.version

    def path(self, spec: NetworkSpec) -> Path | None:
        """The ONNX file of a network that is here whole, else None; always None for one written in code."""
        if isinstance(spec.source, Shipped):
            path = Path(spec.source.path)
            return path if path.is_file() else None
        if isinstance(spec.source, Hub):
            record, folder = self.record(spec), self.folder_of(spec)
            if record is not None and all(
                (folder / file).is_file() for file in (record.file, *record.others)
            ):
                return folder / record.file
        return None

    def is_here(self, spec: NetworkSpec) -> bool:
        """True when the network can be loaded without a download."""
        return isinstance(spec.source, Code) or self.path(spec) is not None

    def choose(self, manifest: Manifest, task: Task) -> NetworkSpec | None:
        """The most wanted network of a task that is here, or None."""
        return next((spec for spec in manifest.preferred(task) if self.is_here(spec)), None)

    def record(self, spec: NetworkSpec) -> Record | None:
        """What was downloaded for this network, or None; a record of another source does not count."""
        try:
            record = msgspec.json.decode(self._record_path(spec).read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            return None
        source = spec.source
        is_same = isinstance(source, Hub) and (record.repository, record.revision, record.file) == (
            source.repository,
            source.revision,
            source.file,
        )
        return record if is_same else None

    def keep(
        self,
        spec: NetworkSpec,
        source: Hub,
        sha256: str,
        size_bytes: int,
        others: dict[str, str] | None = None,
    ) -> Record:
        """Writes the record that makes a complete, checked download count as installed."""
        record = Record(
            repository=source.repository,
            revision=source.revision,
            file=source.file,
            sha256=sha256,
            size_bytes=size_bytes,
            others=others or {},
        )
        path = self._record_path(spec)
        aside = path.with_suffix(".tmp")
        with aside.open("wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(record)))
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
        return record

    def expected(self, spec: NetworkSpec) -> dict[str, str]:
        """SHA-256 by file that is known beforehand: the manifest's, else those of the first download."""
        record = self.record(spec)
        known = {} if record is None else {record.file: record.sha256, **record.others}
        if spec.sha256 is not None and isinstance(spec.source, Hub | Shipped):
            known[spec.source.file if isinstance(spec.source, Hub) else spec.source.path] = spec.sha256
        return known

    def expected_sha256(self, spec: NetworkSpec) -> str | None:
        """The hash the ONNX file must have: the manifest's, else the one of the first download."""
        if spec.sha256 is not None:
            return spec.sha256
        record = self.record(spec)
        return record.sha256 if record is not None else None

    def mismatch(self, spec: NetworkSpec) -> str | None:
        """Hashes the files of a network that is here again; the first that is not as pinned, in words."""
        for file, pinned in self.expected(spec).items():
            path = self.folder_of(spec) / file  # the path of a shipped file is absolute and stays alone
            found = file_sha256(path)
            if found != pinned:
                return f"{path} has sha256 {found}, pinned is {pinned}"
        return None

    def verify(self, spec: NetworkSpec) -> State:
        """Hashes the files again: `ok`, `missing`, or `changed` since they were pinned."""
        if isinstance(spec.source, Code):
            return "ok"
        if self.path(spec) is None:
            return "missing"
        return "ok" if self.mismatch(spec) is None else "changed"

    def _record_path(self, spec: NetworkSpec) -> Path:
        return self.folder_of(spec) / "record.json"


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
