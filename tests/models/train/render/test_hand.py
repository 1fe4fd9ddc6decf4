"""A hand hides what it covers and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.render.hand import Hand


@pytest.mark.parametrize("seed", range(4))
def test_a_hand_reports_where_it_is(seed: int) -> None:
    where = np.array([(60, 40), (140, 40), (140, 160), (60, 160)], np.float32)
    holder = Hand(np.random.default_rng(seed), where)
    for part in (holder.behind, holder.before):
        canvas = np.full((200, 200, 3), (0, 0, 255), np.uint8)
        cover = part(canvas)
        skin = canvas[..., 0] > 40
        assert skin.any()
        assert np.all(cover[skin] > 0)
