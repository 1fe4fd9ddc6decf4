from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from models import manifest
from models.installed import Installed, file_sha256
from models.manifest import Hub, NetworkSpec
from models.pull import PullFailed, pull


class FakeHub(ModuleType):
    """Stands in for `huggingface_hub`: writes `content` where the real one would, or fails."""

    def __init__(self, content: bytes = b"weights") -> None:
        super().__init__("fake_hub")
        self.content = content
        self.calls: list[dict[str, Any]] = []
        self.fault: Callable[[Path], None] | None = None

    def hf_hub_download(self, **call: Any) -> str:
        self.calls.append(call)
        path = Path(call["local_dir"]) / call["filename"]
        if self.fault is not None:
            self.fault(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)
        return str(path)


@pytest.fixture
def spec() -> NetworkSpec:
    found = manifest.load().find("clip-vit-b-32")
    assert found is not None
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "models")


def test_a_pull_installs_and_records_the_hash(spec: NetworkSpec, installed: Installed) -> None:
    hub = FakeHub()
    assert not installed.is_here(spec) and installed.verify(spec) == "missing"
    record = pull(spec, installed, hub=hub)
    path = installed.path(spec)
    assert path is not None and path.read_bytes() == b"weights"
    assert record == installed.record(spec)
    assert record.sha256 == file_sha256(path) == installed.expected_sha256(spec)
    assert installed.verify(spec) == "ok"
    assert isinstance(spec.source, Hub)
    assert hub.calls == [
        {
            "repo_id": spec.source.repository,
            "filename": spec.source.file,
            "revision": spec.source.revision,
            "local_dir": installed.folder_of(spec),
            "local_files_only": False,
        }
    ]


def test_a_pulled_network_takes_over_its_task(spec: NetworkSpec, installed: Installed) -> None:
    known = manifest.load()
    before = installed.choose(known, "embed")
    assert before is not None and before.name == "stub"
    pull(spec, installed, hub=FakeHub())
    assert installed.choose(known, "embed") == spec


def test_a_second_pull_fetches_nothing(spec: NetworkSpec, installed: Installed) -> None:
    hub = FakeHub()
    assert pull(spec, installed, hub=hub) == pull(spec, installed, hub=hub)
    assert len(hub.calls) == 1


def test_a_changed_file_is_noticed_and_fetched_again(spec: NetworkSpec, installed: Installed) -> None:
    hub = FakeHub()
    pull(spec, installed, hub=hub)
    path = installed.path(spec)
    assert path is not None
    path.write_bytes(b"damaged")
    assert installed.verify(spec) == "changed"
    pull(spec, installed, hub=hub)
    assert installed.verify(spec) == "ok" and path.read_bytes() == b"weights"


def test_other_bytes_than_those_of_the_first_download_are_refused(
    spec: NetworkSpec, installed: Installed
) -> None:
    pull(spec, installed, hub=FakeHub())
    path = installed.path(spec)
    assert path is not None
    path.unlink()
    with pytest.raises(PullFailed, match="pinned"):
        pull(spec, installed, hub=FakeHub(b"other weights"))
    assert installed.verify(spec) == "missing"


def test_other_bytes_than_the_manifest_pins_are_refused(spec: NetworkSpec, installed: Installed) -> None:
    pinned = msgspec.structs.replace(spec, sha256="0" * 64)
    with pytest.raises(PullFailed, match="pinned"):
        pull(pinned, installed, hub=FakeHub())
    assert not installed.is_here(pinned)


def test_an_interrupted_download_is_not_installed_and_its_part_is_kept(
    spec: NetworkSpec, installed: Installed
) -> None:
    def fail(path: Path) -> None:
        path.with_suffix(".incomplete").write_bytes(b"wei")
        raise ConnectionError("the line went dead")

    hub = FakeHub()
    hub.fault = fail
    with pytest.raises(PullFailed, match="the line went dead"):
        pull(spec, installed, hub=hub)
    assert not installed.is_here(spec)
    assert [path.name for path in installed.folder_of(spec).iterdir()] == ["model.incomplete"]
    hub.fault = None
    assert pull(spec, installed, hub=hub).size_bytes == 7


def test_a_file_without_a_record_does_not_count(spec: NetworkSpec, installed: Installed) -> None:
    folder = installed.folder_of(spec)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    assert not installed.is_here(spec)
    (folder / "record.json").write_bytes(b"{")
    assert not installed.is_here(spec)


def test_the_record_of_another_revision_does_not_count(spec: NetworkSpec, installed: Installed) -> None:
    pull(spec, installed, hub=FakeHub())
    assert isinstance(spec.source, Hub)
    moved = msgspec.structs.replace(spec, source=msgspec.structs.replace(spec.source, revision="f" * 40))
    assert not installed.is_here(moved)


def test_offline_asks_for_local_files_only(spec: NetworkSpec, installed: Installed) -> None:
    hub = FakeHub()
    pull(spec, installed, offline=True, hub=hub)
    assert hub.calls[0]["local_files_only"] is True


def test_a_missing_hub_package_says_which_extra_to_install(
    spec: NetworkSpec, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PullFailed, match="hub"):
        pull(spec, installed)


def test_a_network_that_comes_with_the_program_cannot_be_pulled(installed: Installed) -> None:
    stub = manifest.load().find("stub")
    assert stub is not None and installed.verify(stub) == "ok"
    with pytest.raises(PullFailed, match="nothing to pull"):
        pull(stub, installed, hub=FakeHub())
