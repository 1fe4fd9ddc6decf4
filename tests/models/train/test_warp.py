from __future__ import annotations

import numpy as np

from models.train import warp
from models.train.data import SIDE


def ring(ink: tuple[int, int, int]) -> np.ndarray:
    """A one-colour ring on white, (96, 96, 3)."""
    down, across = np.indices((96, 96)) - 47.5
    inside = np.abs(np.hypot(down, across) - 30) < 10
    return np.where(inside[..., None], np.array(ink, np.uint8), np.uint8(255))


def test_a_mark_is_cut_out_of_its_white_and_put_back() -> None:
    mark = ring((200, 30, 60))
    rgba = warp.cut_out(mark)
    np.testing.assert_array_equal(rgba[0, 0, :3], (200, 30, 60))
    assert rgba[0, 0, 3] == 0
    np.testing.assert_allclose(warp.on_white(rgba), mark, atol=2)


def test_queries_are_repeatable_and_never_the_same_twice() -> None:
    rng = np.random.default_rng(3)
    clutter = rng.integers(0, 256, (300, 200, 3), dtype=np.uint8)
    rgba = warp.cut_out(ring((10, 90, 200)))
    one, again = (warp.logo_query(rgba, clutter, np.random.default_rng(8)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (SIDE, SIDE, 3) and one.dtype == np.uint8
    assert (warp.logo_query(rgba, clutter, np.random.default_rng(9)) != one).any()
    assert warp.pack_query(rgba, clutter, rng).shape == (SIDE, SIDE, 3)


def test_ink_stands_out_from_what_is_behind_it() -> None:
    rng = np.random.default_rng(1)
    luma = np.array([0.299, 0.587, 0.114])
    for shade in (0, 90, 127, 255):
        behind = np.full(3, shade, np.float32)
        for _ in range(20):
            assert abs((warp._ink_for(behind, rng) - behind) @ luma) >= warp.MIN_CONTRAST
