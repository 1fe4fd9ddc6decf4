"""The data folder: one holder, secrets that stay and that nobody else reads."""

import stat
from pathlib import Path

import pytest

from server.data_folder import DataFolder, DataFolderBusy


def test_the_documented_folders_are_made(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    assert {path.name for path in folder.path.iterdir()} == {"blobs", "snapshots", "keys"}
    assert folder.postgres == folder.path / "postgres"


def test_only_one_holds_it(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.hold()
    with pytest.raises(DataFolderBusy, match="used by another server"):
        second.hold()
    first.release()
    second.hold()
    second.release()


def test_the_admin_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.create()
    key, is_new = folder.admin_key()
    assert is_new and len(key) == 40
    assert folder.admin_key() == (key, False)
    assert stat.S_IMODE((folder.keys / "admin").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.keys.stat().st_mode) == 0o700
    assert [path.name for path in folder.keys.iterdir()] == ["admin"]


def test_an_empty_key_file_is_replaced(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.create()
    (folder.keys / "admin").touch()
    assert folder.admin_key()[1]
