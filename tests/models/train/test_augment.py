from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train import augment  # noqa: E402
from models.train.augment import Pool  # noqa: E402
from models.train.data import MEAN, STD  # noqa: E402


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(count: int = 6) -> Pool:
    pixels = torch.randint(0, 256, (count, 64, 64, 3), generator=generator(), dtype=torch.uint8)
    return Pool(pixels, (32, 64))


def test_a_pool_gives_the_smallest_level_that_is_fine_enough() -> None:
    pool, rows = photos(), torch.tensor([2, 0])
    assert len(pool) == 6
    assert pool.rows(rows, 16).shape == (2, 3, 32, 32)
    assert pool.rows(rows, 20).shape == (2, 3, 64, 64)
    # None is: the finest.
    assert pool.rows(rows, 200).shape == (2, 3, 64, 64)
    assert pool.rows(rows, 16).min() >= 0 and pool.rows(rows, 16).max() <= 1


def test_views_are_repeatable_normalised_and_different_each_time() -> None:
    pool, rows = photos(), torch.tensor([1, 1, 3])
    one, again = (augment.photo_views(pool, rows, 40, generator(5)) for _ in range(2))
    torch.testing.assert_close(one, again)
    assert one.shape == (3, 3, 40, 40)
    assert (one[0] - one[1]).abs().mean() > 0.05
    # Noise may leave the range of levels by a little.
    assert one.abs().max() < (1 - MEAN) / STD + 1


def test_a_plain_design_is_shown_straight_on_white() -> None:
    pixels = torch.zeros(1, 48, 48, 4, dtype=torch.uint8)
    pixels[:, 12:36, 12:36] = torch.tensor([255, 0, 0, 255], dtype=torch.uint8)
    view = augment.design_views(Pool(pixels, (48,)), torch.tensor([0]), photos(), 48, generator(), plain=1.0)
    levels = view * STD + MEAN
    # Light and camera still vary, so: red inside, grey outside.
    inside, outside = levels[0, :, 20:28, 20:28].mean((1, 2)), levels[0, :, 2:8, 2:8].mean((1, 2))
    assert inside[0] - inside[1] > 0.2
    assert outside.max() - outside.min() < 0.25 and outside.mean() > 0.5


def test_a_mark_never_vanishes_before_what_is_behind_it() -> None:
    pixels = torch.full((1, 32, 32, 4), 90, dtype=torch.uint8)
    pixels[..., 3] = 0
    pixels[:, 8:24, 8:24, 3] = 255
    rows = torch.zeros(200, dtype=torch.long)
    views = augment.design_views(Pool(pixels, (32,)), rows, photos(), 32, generator(), plain=0.0)
    assert (views.std((2, 3)).amax(dim=1) > 0.1).float().mean() > 0.97


def test_a_design_grows_harder_to_know() -> None:
    maps = {
        hardness: augment._homographies(
            300, augment._milder(augment.DESIGN, hardness), generator(), flip=False
        )
        for hardness in (0.0, 0.5, 1.0)
    }
    straight = torch.eye(3).expand(300, 3, 3)
    torch.testing.assert_close(maps[0.0], straight)
    away = [(maps[hardness] - straight).abs().mean() for hardness in (0.5, 1.0)]
    assert 0 < away[0] < away[1]


def test_crops_are_pieces_of_the_photos() -> None:
    flat = torch.full((4, 64, 64, 3), 200, dtype=torch.uint8)
    pieces = augment.crops(Pool(flat, (64,)), 5, 24, generator()) * STD + MEAN
    assert pieces.shape == (5, 3, 24, 24)
    torch.testing.assert_close(pieces, torch.full_like(pieces, 200 / 255))


def test_cut_and_mix_says_how_much_is_left() -> None:
    views = torch.stack([torch.full((3, 20, 20), float(number)) for number in range(8)])
    mixed, other, share = augment.cut_and_mix(views, generator(3))
    kept = (mixed == views).float().mean((1, 2, 3))
    changed = other != torch.arange(8)
    torch.testing.assert_close(kept[changed], torch.full_like(kept[changed], share))
    assert 0.4 < share < 1


def test_a_turn_of_the_hue_keeps_grey() -> None:
    turns = augment._hue(torch.tensor([0.0, 1.0, -2.5]))
    grey = torch.full((3, 3, 1), 0.4)
    torch.testing.assert_close(turns @ grey, grey)
    torch.testing.assert_close(turns[0], torch.eye(3))
