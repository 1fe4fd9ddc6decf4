"""Pulling from a stand-in hub over HTTP: the real client library, never the real hub."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models import download, manifest
from models.installed import Installed, file_sha256
from models.manifest import Hub, NetworkSpec
from models.pull import PullFailed, pull
from tests.models.hub_server import HubServer, running
from tests.server_process import ROOT

WEIGHTS = np.random.default_rng(5).bytes(3_000_000)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    pytest.importorskip("huggingface_hub", reason="the extra 'hub' is not installed")
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    monkeypatch.setenv("HF_TOKEN", "secret")
    with running() as server:
        yield server


@pytest.fixture
def spec(hub: HubServer) -> NetworkSpec:
    """A network of the manifest whose hash is not pinned, with its repository on the stand-in."""
    found = manifest.load().find("nutriscore")
    assert found is not None and isinstance(found.source, Hub) and found.sha256 is None
    hub.repositories[found.source.repository] = {found.source.file: WEIGHTS, "README.md": b"words"}
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "models")


def source(spec: NetworkSpec) -> Hub:
    assert isinstance(spec.source, Hub)
    return spec.source


def parts(installed: Installed) -> list[Path]:
    return list(installed.folder.rglob("*.part"))


def test_a_pull_installs_and_records_the_hash(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    assert not installed.is_here(spec) and installed.verify(spec) == "missing"
    record = pull(spec, installed, endpoint=hub.endpoint)
    path = installed.path(spec)
    assert path is not None and path.read_bytes() == WEIGHTS
    assert path == installed.folder_of(spec) / source(spec).file
    assert record == installed.record(spec)
    assert record.sha256 == file_sha256(path) == installed.expected_sha256(spec)
    assert record.size_bytes == len(WEIGHTS)
    assert installed.verify(spec) == "ok"
    assert {each.path for each in hub.requests} == {
        f"/{source(spec).repository}/resolve/{source(spec).revision}/{source(spec).file}"
    }
    assert parts(installed) == []


def test_a_pulled_network_takes_over_its_task(hub: HubServer, installed: Installed) -> None:
    known = manifest.load()
    before, clip = installed.choose(known, "embed"), known.find("clip")
    assert before is not None and clip is not None and before != clip
    hub.repositories[source(clip).repository] = {source(clip).file: WEIGHTS}
    pull(clip, installed, endpoint=hub.endpoint)
    assert installed.choose(known, "embed") == clip


def test_a_second_pull_asks_for_nothing(hub: HubServer, spec: NetworkSpec, installed: Installed) -> None:
    first = pull(spec, installed, endpoint=hub.endpoint)
    asked = len(hub.requests)
    assert pull(spec, installed, endpoint=hub.endpoint) == first
    assert pull(spec, installed, offline=True) == first
    assert len(hub.requests) == asked


def test_a_line_that_breaks_is_taken_up_again_within_one_pull(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    hub.cut, hub.cuts_left = 1_000_000, 2
    pull(spec, installed, endpoint=hub.endpoint)
    assert installed.verify(spec) == "ok"
    ranges = [each.headers.get("range") for each in hub.downloads()]
    assert ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_a_pull_that_failed_is_taken_up_by_the_next(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    # After the first break the server hangs up at once, each time.
    hub.cut, hub.cuts_left = 1_200_000, 1
    real = download.ATTEMPTS
    download.ATTEMPTS = 1
    try:
        with pytest.raises(PullFailed, match="the line broke"):
            pull(spec, installed, endpoint=hub.endpoint)
    finally:
        download.ATTEMPTS = real
    assert not installed.is_here(spec)
    (part,) = parts(installed)
    assert part.read_bytes() == WEIGHTS[:1_200_000]
    hub.requests.clear()
    pull(spec, installed, endpoint=hub.endpoint)
    assert [each.headers.get("range") for each in hub.downloads()] == ["bytes=1200000-"]
    assert installed.verify(spec) == "ok" and parts(installed) == []


def test_a_line_that_stays_dead_ends_the_pull(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    hub.cut, hub.cuts_left = 0, 1000
    with pytest.raises(PullFailed, match=f"the line broke {download.ATTEMPTS} times"):
        pull(spec, installed, endpoint=hub.endpoint)
    assert len(hub.downloads()) == download.ATTEMPTS


def test_the_part_of_other_content_is_not_continued(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    test_a_line_that_stays_dead_ends_the_pull(hub, spec, installed)
    hub.cut, hub.repositories[source(spec).repository][source(spec).file] = None, WEIGHTS[::-1]
    hub.requests.clear()
    pull(spec, installed, endpoint=hub.endpoint)
    assert [each.headers.get("range") for each in hub.downloads()] == [None]


def test_large_files_come_from_a_store_that_never_sees_the_token(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    hub.moved = True
    real = hub.endpoint
    # Another name for the same machine: another host to a client.
    pull(spec, installed, endpoint=real.replace("127.0.0.1", "localhost"))
    assert installed.verify(spec) == "ok"
    asked, fetched = hub.downloads()
    assert fetched.path.startswith("/store/") and not asked.path.startswith("/store/")
    assert "authorization" not in fetched.headers
    assert asked.headers["authorization"] == "Bearer secret"


def test_damage_on_the_way_is_noticed(hub: HubServer, spec: NetworkSpec, installed: Installed) -> None:
    hub.damage = lambda data: data[:-1] + b"?"
    with pytest.raises(PullFailed, match="came damaged"):
        pull(spec, installed, endpoint=hub.endpoint)
    assert not installed.is_here(spec) and parts(installed) == []


def test_a_changed_file_is_noticed_and_fetched_again(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    pull(spec, installed, endpoint=hub.endpoint)
    path = installed.path(spec)
    assert path is not None
    path.write_bytes(b"damaged")
    assert installed.verify(spec) == "changed"
    pull(spec, installed, endpoint=hub.endpoint)
    assert installed.verify(spec) == "ok" and path.read_bytes() == WEIGHTS


def test_other_bytes_than_those_of_the_first_download_are_refused(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    pull(spec, installed, endpoint=hub.endpoint)
    path = installed.path(spec)
    assert path is not None
    path.unlink()
    hub.repositories[source(spec).repository][source(spec).file] = b"other weights"
    with pytest.raises(PullFailed, match="pinned"):
        pull(spec, installed, endpoint=hub.endpoint)
    assert installed.verify(spec) == "missing"


def test_other_bytes_than_the_manifest_pins_are_refused(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    pinned = msgspec.structs.replace(spec, sha256="0" * 64)
    with pytest.raises(PullFailed, match="pinned is " + "0" * 64):
        pull(pinned, installed, endpoint=hub.endpoint)
    assert not installed.is_here(pinned)


def test_files_beside_the_network_come_too_and_are_hashed(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    files = {"onnx/model.onnx": b"graph", "onnx/model.onnx_data": WEIGHTS, "onnx/tokenizer.json": b"{}"}
    hub.repositories["a/b"] = {**files, "pytorch_model.bin": b"not this"}
    both = msgspec.structs.replace(
        spec, source=Hub(repository="a/b", revision="main", file="onnx/model.onnx", others=("onnx/*",))
    )
    record = pull(both, installed, endpoint=hub.endpoint)
    folder = installed.folder_of(both)
    assert {name: (folder / name).read_bytes() for name in files} == files
    assert not (folder / "pytorch_model.bin").exists()
    assert set(record.others) == {"onnx/model.onnx_data", "onnx/tokenizer.json"}
    (folder / "onnx/model.onnx_data").write_bytes(b"tampered")
    assert installed.verify(both) == "changed" and "onnx_data" in str(installed.mismatch(both))
    hub.requests.clear()
    pull(both, installed, endpoint=hub.endpoint)
    assert [Path(each.path).name for each in hub.downloads()] == ["model.onnx_data"]
    (folder / "onnx/tokenizer.json").unlink()
    assert installed.verify(both) == "missing" and not installed.is_here(both)


@pytest.mark.parametrize(
    ("status", "code", "complaint"),
    [
        (401, "RepoNotFound", "no such repository, or it is private and HF_TOKEN"),
        (401, "", "no such repository, or it is private and HF_TOKEN"),
        (403, "GatedRepo", "terms have to be accepted"),
        (404, "RevisionNotFound", "no revision"),
        (404, "EntryNotFound", "a file is not in revision"),
        (500, "", "the hub answered 500"),
    ],
)
def test_a_refusal_of_the_hub_says_what_to_do(
    hub: HubServer, spec: NetworkSpec, installed: Installed, status: int, code: str, complaint: str
) -> None:
    hub.status, hub.code = status, code
    with pytest.raises(PullFailed, match=complaint) as raised:
        pull(spec, installed, endpoint=hub.endpoint)
    assert spec.name in str(raised.value)
    assert not installed.is_here(spec)


def test_a_file_that_is_not_in_the_repository_is_named(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    del hub.repositories[source(spec).repository][source(spec).file]
    with pytest.raises(PullFailed, match=r"not in revision.*best\.onnx"):
        pull(spec, installed, endpoint=hub.endpoint)


def test_no_server_at_all_is_told(spec: NetworkSpec, installed: Installed) -> None:
    with pytest.raises(PullFailed, match="could not be fetched"):
        pull(spec, installed, endpoint="http://127.0.0.1:9")


def test_a_file_that_cannot_fit_is_refused_before_it_is_fetched(
    hub: HubServer, spec: NetworkSpec, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 2_500_000

    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(PullFailed, match=r"disk of .* is full: 3\.0 MB are needed, 2\.5 MB are free"):
        pull(spec, installed, endpoint=hub.endpoint)
    assert hub.downloads() == []


def test_a_disk_that_fills_keeps_what_came(
    hub: HubServer, spec: NetworkSpec, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = download._read

    def half(hub: Any, stream: Any, *rest: Any) -> None:
        stream.write(WEIGHTS[:1_500_000])
        stream.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_read", half)
    with pytest.raises(PullFailed, match=r"disk of .* is full"):
        pull(spec, installed, endpoint=hub.endpoint)
    (part,) = parts(installed)
    assert part.stat().st_size == 1_500_000
    monkeypatch.setattr(download, "_read", real)
    pull(spec, installed, endpoint=hub.endpoint)
    assert [each.headers.get("range") for each in hub.downloads()] == ["bytes=1500000-"]


def test_a_file_without_a_record_does_not_count(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    path = installed.folder_of(spec) / source(spec).file
    path.parent.mkdir(parents=True)
    path.write_bytes(WEIGHTS)
    assert not installed.is_here(spec)
    (installed.folder_of(spec) / "record.json").write_bytes(b"{")
    assert not installed.is_here(spec)


def test_the_record_of_another_revision_does_not_count(
    hub: HubServer, spec: NetworkSpec, installed: Installed
) -> None:
    pull(spec, installed, endpoint=hub.endpoint)
    moved = msgspec.structs.replace(spec, source=msgspec.structs.replace(source(spec), revision="f" * 40))
    assert not installed.is_here(moved)


def test_offline_nothing_is_asked_for(hub: HubServer, spec: NetworkSpec, installed: Installed) -> None:
    with pytest.raises(PullFailed, match="offline"):
        pull(spec, installed, offline=True, endpoint=hub.endpoint)
    assert hub.requests == []


def test_a_missing_hub_package_says_which_extra_to_install(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = manifest.load().find("nutriscore")
    assert spec is not None
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PullFailed, match="hub"):
        pull(spec, installed)


def test_a_network_that_comes_with_the_program_cannot_be_pulled(installed: Installed) -> None:
    stub = manifest.load().find("stub")
    assert stub is not None and installed.verify(stub) == "ok"
    with pytest.raises(PullFailed, match="nothing to pull"):
        pull(stub, installed)


def test_a_network_that_cannot_run_here_is_not_pulled(installed: Installed) -> None:
    spec = manifest.load().find("category-classifier-keras-image-embeddings-3.0")
    assert spec is not None
    with pytest.raises(PullFailed, match="SavedModel"):
        pull(spec, installed)


@pytest.mark.parametrize("offline", ["0", "1"])
def test_the_command_takes_its_hub_from_the_environment(
    hub: HubServer, spec: NetworkSpec, tmp_path: Path, offline: str
) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_OFFLINE": offline,
        "AISLE_DATA_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "server", "models", "pull", spec.name],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if offline == "1":
        assert done.returncode == 1 and "HF_HUB_OFFLINE forbids" in done.stderr and hub.requests == []
    else:
        assert done.returncode == 0, done.stderr
        assert file_sha256(Installed(tmp_path / "models").folder_of(spec) / source(spec).file) in done.stdout
