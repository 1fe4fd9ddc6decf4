"""Snapshots: what is saved comes back, and nothing that differs by a byte is taken."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.embeddings import few_uneven
from index import archive, snapshot
from index.choose import Plan
from index.shortlist import ImageIndex
from index.snapshot import SnapshotRejected
from index.store import Store
from tests.index.pictures import Features

DIMENSION = 16
SPACE = "clip-vit-b32"
ROWS = few_uneven(900, DIMENSION)


def plan(count: int, dimension: int) -> Plan:
    if count < 500:
        return Plan("exact")
    return Plan("graph", links=8, build_effort=20, search_effort=200, scan_below=100)


@pytest.fixture(scope="module")
def store() -> Store:
    """A graph with removed vectors, and fresh vectors."""
    made = Store(DIMENSION, space=SPACE, plan=plan)
    made.upsert(np.arange(800), ROWS[:800])
    made.compact()
    made.upsert(np.arange(800, 900), ROWS[800:])
    made.remove(np.arange(0, 900, 9))
    return made


@pytest.fixture(scope="module")
def images() -> ImageIndex:
    made, features = ImageIndex(), Features(3)
    for number in range(6):
        made.add(number, features.image(40))
    made.add(100, features.image(65_500))
    made.add(101, np.empty((0, 128), np.uint8))
    made.remove(4)
    return made


def load(folder: Path) -> tuple[Store, int]:
    return snapshot.load(folder, dimension=DIMENSION, space=SPACE, plan=plan)


def test_a_store_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    snapshot.save(store, tmp_path, 42)
    loaded, sequence = load(tmp_path)
    assert sequence == 42 and len(loaded) == len(store) == 800
    assert loaded.last_recall == store.last_recall
    assert [part.segment.graph is None for part in loaded.parts()] == [False, True]
    for allow in (None, np.arange(300, 900)):
        before, after = store.search(ROWS[:20], 10, allow), loaded.search(ROWS[:20], 10, allow)
        assert np.array_equal(before[0], after[0]) and np.array_equal(before[1], after[1])
    loaded.upsert([5], ROWS[6])
    loaded.compact()
    assert len(loaded) == 800 and 0 not in loaded


def named(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_an_image_index_comes_back_as_it_was(images: ImageIndex, tmp_path: Path) -> None:
    gone, *named = images.contents()[0].numbers.tolist()
    names = {number: bytes([number + 1]) * 16 for number in named}
    snapshot.save_images(images, tmp_path, 7, names.get)
    loaded, restored, sequence = snapshot.load_images(tmp_path)
    assert restored == {gone: None, **names}
    assert (snapshot.newest(tmp_path), snapshot.newest(tmp_path / "nowhere")) == (7, -1)
    assert sequence == 7 and len(loaded) == len(images) == 7
    query = images.descriptors(2)
    before, after = images.vote(query, 7), loaded.vote(query, 7)
    assert np.array_equal(before[0], after[0]) and np.array_equal(before[1], after[1])
    loaded.add(4, query)
    assert sorted(loaded.vote(query, 2)[0].tolist()) == [2, 4]
    assert 4 not in images


@pytest.mark.parametrize("empty", [True, False])
def test_empty_indexes_come_back_empty(empty: bool, tmp_path: Path) -> None:
    store, images = Store(DIMENSION, space=SPACE), ImageIndex()
    if not empty:
        store.upsert([1], ROWS[0])
        store.remove([1])
        images.add(1, np.zeros((3, 128), np.uint8))
        images.remove(1)
    snapshot.save(store, tmp_path / "a", 0)
    snapshot.save_images(images, tmp_path / "b", 0, named)
    assert len(load(tmp_path / "a")[0]) == 0
    assert len(snapshot.load_images(tmp_path / "b")[0]) == 0


def test_the_newest_is_loaded_and_older_ones_are_removed(store: Store, tmp_path: Path) -> None:
    snapshot.save(store, tmp_path, 9)
    smaller = Store(DIMENSION, space=SPACE, plan=plan)
    smaller.upsert([3], ROWS[3])
    for _ in range(2):
        snapshot.save(smaller, tmp_path, 10)
    loaded, sequence = load(tmp_path)
    assert (len(loaded), sequence) == (1, 10)
    assert len(list(tmp_path.iterdir())) == 1
    # After a database was restored, the sequence starts again: what was saved last still wins.
    snapshot.save(store, tmp_path, 2)
    assert load(tmp_path)[1] == 2


def damaged_copies(version: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Copies of a snapshot, each with one file cut, changed, lengthened, swapped or missing."""

    def copy(name: str) -> Path:
        target = folder / name / version.name
        shutil.copytree(version, target)
        return target

    for path in sorted(version.iterdir()):
        size = path.stat().st_size
        for cut in sorted({0, 1, size // 3, size // 2, size - 1} - {size}):
            target = copy(f"{path.name}-cut-{cut}") / path.name
            os.truncate(target, cut)
            yield path.name, target.parent.parent
        for place in sorted({0, size // 2, size - 1} if size else set()):
            target = copy(f"{path.name}-flip-{place}") / path.name
            data = bytearray(target.read_bytes())
            data[place] ^= 0x10
            target.write_bytes(data)
            yield path.name, target.parent.parent
        target = copy(f"{path.name}-more") / path.name
        target.write_bytes(target.read_bytes() + b"\0")
        yield path.name, target.parent.parent
        target = copy(f"{path.name}-gone") / path.name
        target.unlink()
        yield path.name, target.parent.parent


@pytest.mark.parametrize("kind", ["store", "images"])
def test_any_damaged_file_is_refused_by_name(
    kind: str, store: Store, images: ImageIndex, tmp_path: Path
) -> None:
    save: Callable[[Path], Path]
    read: Callable[[Path], object]
    if kind == "store":
        save, read = lambda folder: snapshot.save(store, folder, 5), load
    else:
        save, read = lambda folder: snapshot.save_images(images, folder, 5, named), snapshot.load_images
    version = save(tmp_path / "whole")
    read(tmp_path / "whole")
    count = 0
    for name, folder in damaged_copies(version, tmp_path / "damaged"):
        with pytest.raises(SnapshotRejected, match=name):
            read(folder)
        shutil.rmtree(folder)
        count += 1
    assert count > 40


def test_a_snapshot_of_something_else_is_refused(store: Store, images: ImageIndex, tmp_path: Path) -> None:
    snapshot.save(store, tmp_path, 5)
    with pytest.raises(SnapshotRejected, match=r"space .* is clip-vit-b32, not other"):
        snapshot.load(tmp_path, dimension=DIMENSION, space="other")
    with pytest.raises(SnapshotRejected, match=r"dimension .* is 16, not 17"):
        snapshot.load(tmp_path, dimension=17, space=SPACE)
    with pytest.raises(SnapshotRejected, match="kind"):
        snapshot.load_images(tmp_path)
    with pytest.raises(SnapshotRejected, match="no snapshot"):
        snapshot.load_images(tmp_path / "nowhere")
    version = next(tmp_path.iterdir())
    version.rename(version.with_name("00000000000000000005-0123456789abcdef"))
    with pytest.raises(SnapshotRejected, match="manifest"):
        load(tmp_path)


def test_a_full_disk_leaves_the_older_snapshot(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot.save(store, tmp_path, 5)
    calls = 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        snapshot.save(store, tmp_path, 6)
    assert load(tmp_path)[1] == 5
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_crashed_writer_left_is_ignored_and_cleared_when_old(store: Store, tmp_path: Path) -> None:
    for name, age_s in (("old", 2 * archive.STALE_S), ("new", 0)):
        left = tmp_path / f"{archive.ASIDE}{name}"
        left.mkdir()
        (left / "ids-0").write_bytes(b"half")
        os.utime(left, (time.time() - age_s,) * 2)
    with pytest.raises(SnapshotRejected, match="no snapshot"):
        load(tmp_path)
    snapshot.save(store, tmp_path, 5)
    assert load(tmp_path)[1] == 5
    assert {path.name for path in tmp_path.glob(f"{archive.ASIDE}*")} == {f"{archive.ASIDE}new"}


def test_a_snapshot_replaced_while_it_is_read_is_read_anew(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot.save(store, tmp_path, 5)
    listed = archive.versions

    def replaced_after_listing(folder: Path) -> list[Path]:
        found = listed(folder)
        monkeypatch.setattr(archive, "versions", listed)
        snapshot.save(store, tmp_path, 6)
        return found

    monkeypatch.setattr(archive, "versions", replaced_after_listing)
    assert load(tmp_path)[1] == 6
