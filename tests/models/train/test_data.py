from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.train import data

SHADES = {"references/0.jpg": 40, "train/0.jpg": 80, "train/1.jpg": 120, "val/0.jpg": 200}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grocery folder of four grey pictures of two classes, not all of them square."""
    lines = ["file,kind,class_id,class_name,coarse_id,coarse_name"]
    for number, (file, shade) in enumerate(SHADES.items()):
        path = tmp_path / "grocery" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((30 + 10 * number, 30, 3), shade, np.uint8))
        kind = {"references": "reference"}.get(path.parent.name, path.parent.name)
        lines.append(f"{file},{kind},{number % 2},name,{number // 2},coarse")
    (tmp_path / "grocery" / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def test_training_photos_are_read_whole_and_val_is_left_alone(folder: Path) -> None:
    photos = data.grocery(folder)
    assert photos.pixels.shape == (3, data.SIDE, data.SIDE, 3)
    assert [int(picture.mean().round()) for picture in photos.pixels] == [40, 80, 120]
    assert photos.is_reference.tolist() == [True, False, False]
    assert photos.fine.tolist() == [0, 1, 0]
    assert photos.coarse.tolist() == [0, 0, 1]
    val = data.grocery(folder, ("val",))
    assert [int(picture.mean().round()) for picture in val.pixels] == [200]


def test_a_mask_takes_the_same_rows_of_every_field(folder: Path) -> None:
    photos = data.grocery(folder)
    kept = photos.where(~photos.is_reference)
    assert len(kept.pixels) == len(kept.fine) == len(kept.coarse) == 2


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(data.DataMissing, match="grocery"):
        data.grocery(tmp_path)
    with pytest.raises(data.DataMissing, match="logos"):
        data.logos(tmp_path)
    with pytest.raises(data.DataMissing, match=r"nothing\.png"):
        data.read_rgb(tmp_path / "nothing.png")


def test_every_fourth_class_is_left_out() -> None:
    mask = data.left_out(np.arange(81))
    assert mask.sum() == 20
    assert np.flatnonzero(mask)[:2].tolist() == [3, 7]


def test_the_same_identity_is_drawn_the_same_and_another_differently() -> None:
    pytest.importorskip("models.train.render")
    for kind in ("logo", "pack"):
        first, again = (data.drawn(kind, [3, 4], 64) for _ in range(2))
        assert first.shape == (2, 64, 64, 4)
        np.testing.assert_array_equal(first, again)
        assert (first[0] != first[1]).any()
