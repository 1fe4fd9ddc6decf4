"""Blobs: durable on return, named by their hash, nothing half-written, the same on disk and in a bucket."""

import errno
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import blobs as module
from server import errors
from server.blobs import Blobs, LocalFolder, name_of
from tests.server.s3_server import FULL, S3Server


@pytest.fixture
async def s3(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    async with S3Server().running() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, folder: Path, s3: S3Server) -> Blobs:
    url = f"s3://shop/pictures?endpoint=http://127.0.0.1:{s3.port}&region=eu-central-1"
    return Blobs.at(url if request.param == "bucket" else None, folder)


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


async def test_what_was_put_comes_back_under_its_hash(blobs: Blobs) -> None:
    for data in (b"", b"abc", os.urandom(300_000)):
        name = await blobs.put(data)
        assert name == name_of(data)
        assert await blobs.get(name) == data and await blobs.exists(name)


async def test_putting_twice_keeps_one(blobs: Blobs) -> None:
    assert await blobs.put(b"abc") == await blobs.put(b"abc")
    assert await blobs.get(name_of(b"abc")) == b"abc"


async def test_a_deleted_blob_is_gone_and_deleting_again_is_fine(blobs: Blobs) -> None:
    name = await blobs.put(b"abc")
    assert await blobs.delete(name) and await blobs.delete(name)
    assert not await blobs.exists(name)
    with pytest.raises(errors.NotFound):
        await blobs.get(name)


async def test_a_blob_put_just_now_survives_a_late_deletion(blobs: Blobs) -> None:
    name = await blobs.put(b"abc")
    assert not await blobs.delete(name, older_than_s=60)
    assert await blobs.exists(name)


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "/x"])
async def test_only_a_hash_is_a_name(blobs: Blobs, name: str) -> None:
    for call in (blobs.get(name), blobs.exists(name), blobs.delete(name)):
        with pytest.raises(errors.NotFound):
            await call


async def test_files_are_spread_over_folders(folder: Path) -> None:
    name = await Blobs.at(None, folder).put(b"abc")
    assert (folder / name[:2] / name[2:4] / name).read_bytes() == b"abc"
    assert files(folder) == [name]


async def test_putting_again_renews_the_age(folder: Path) -> None:
    blobs = Blobs.at(None, folder)
    name = await blobs.put(b"abc")
    os.utime(folder / name[:2] / name[2:4] / name, (1, 1))
    assert (await LocalFolder(folder).age_s(name) or 0) > 60
    await blobs.put(b"abc")
    assert not await blobs.delete(name, older_than_s=60)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", ["fsync", "replace"])
async def test_a_full_disk_leaves_nothing_half_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, step: str
) -> None:
    blobs = Blobs.at(None, folder)
    await blobs.put(b"before")

    def fail(*_: object) -> None:
        raise OSError(code, "full")

    if step == "fsync":
        monkeypatch.setattr(module.os, "fsync", fail)
    else:
        monkeypatch.setattr(module.Path, "replace", fail)
    with pytest.raises(errors.StorageFull):
        await blobs.put(b"abc")
    assert files(folder) == [name_of(b"before")]


async def test_the_last_of_the_disk_is_left_to_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs.at(None, folder)
    await blobs.put(b"abc")
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=module.RESERVE_BYTES + 2))
    assert await blobs.put(b"ab")
    with pytest.raises(errors.StorageFull):
        await blobs.put(b"xyz")
    assert await blobs.put(b"abc") == name_of(b"abc")


async def test_another_fault_of_the_disk_is_not_hidden(folder: Path) -> None:
    folder.write_text("a file in its place")
    with pytest.raises(OSError, match=r"[Ee]xists|[Nn]ot a directory"):
        await Blobs.at(None, folder).put(b"abc")


async def test_litter_of_dead_processes_is_swept_after_a_day(folder: Path) -> None:
    store = LocalFolder(folder)
    assert store.sweep() == 0
    await store.put(name_of(b"abc"), b"abc")
    old, young = folder / "incoming" / "old", folder / "incoming" / "young"
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 2 * module.LITTER_AGE_S,) * 2)
    await Blobs.at(None, folder).open()
    assert store.sweep() == 0 and not old.exists() and young.exists()


async def test_a_bucket_gets_prefix_and_signature(s3: S3Server, folder: Path) -> None:
    blobs = Blobs.at(f"s3://shop/a/b?endpoint=http://127.0.0.1:{s3.port}&region=eu-central-1", folder)
    name = await blobs.put(b"abc")
    assert list(s3.objects) == [f"shop/a/b/{name}"]
    assert "test-id" in (s3.authorization or "") and "eu-central-1" in (s3.authorization or "")


async def test_owners_do_not_see_each_other_s_blobs(s3: S3Server, folder: Path) -> None:
    for url in (None, f"s3://shop/a?endpoint=http://127.0.0.1:{s3.port}"):
        mine, yours = Blobs.at(url, folder, "mine"), Blobs.at(url, folder, "yours")
        name = await mine.put(b"abc")
        await yours.put(b"abc")
        await yours.delete(name)
        assert await mine.exists(name) and not await yours.exists(name)
    assert list(s3.objects) == [f"shop/a/mine/{name}"] and (folder / "mine").is_dir()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ((400, FULL), errors.StorageFull),
        ((507, "<Error><Code>XMinioStorageFull</Code></Error>"), errors.StorageFull),
        ((403, "<Error><Code>AccessDenied</Code></Error>"), errors.NotReady),
    ],
)
async def test_faults_of_a_bucket_are_told_apart(
    s3: S3Server, folder: Path, fault: tuple[int, str], expected: type[Exception]
) -> None:
    s3.fault = fault
    blobs = Blobs.at(f"s3://shop?endpoint=http://127.0.0.1:{s3.port}", folder)
    with pytest.raises(expected):
        await blobs.put(b"abc")
