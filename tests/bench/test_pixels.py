"""The pixel benchmark measures what it says, on a picture small enough for a test."""

from __future__ import annotations

import pytest

from bench import pixels
from bench.photo import jpeg, photo


def test_the_photo_is_the_same_on_every_run_and_of_the_wanted_size() -> None:
    drawn = photo(320, 240)
    assert (drawn == photo(320, 240)).all() and (drawn != photo(320, 240, seed=2)).any()
    assert len(jpeg(drawn, 20_000)) == pytest.approx(20_000, rel=0.1)


def test_every_way_gives_the_picture_and_ours_is_within_one_grey_level() -> None:
    rows = {row.way: row for row in pixels.measure(jpeg(photo(640, 480), 60_000), rounds=1)}
    assert list(rows) == list(pixels.WAYS)
    assert rows[pixels.BASELINE].speed_up == 1 and rows[pixels.BASELINE].max_difference == 0
    ours = rows["**ours, full size**"].max_difference
    assert ours is not None and ours <= 1
    assert all(row.max_difference is None or row.max_difference < 60 for row in rows.values())
