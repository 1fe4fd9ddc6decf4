"""Packs and logos: known by their identity, filled to their border."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.render import logo, pack
from models.train.render.design import FORMS, design
from models.train.render.front import front
from models.train.render.pack import body


def test_an_identity_keeps_its_design() -> None:
    first, again = front(design(42), 120, 160), front(design(42), 120, 160)
    assert np.array_equal(first.pixels, again.pixels)
    assert design(42) == design(42)
    assert design(42) != design(43)


def test_varieties_share_brand_and_form() -> None:
    varieties = [design(identity) for identity in range(400, 404)]
    assert len({(one.logo, one.form, one.title_face) for one in varieties}) == 1
    assert len({one.accent for one in varieties}) == 4


def test_a_pack_differs_by_light_only() -> None:
    first = pack(np.random.default_rng(1), 7, 96, 128)
    again = pack(np.random.default_rng(1), 7, 96, 128)
    other = pack(np.random.default_rng(2), 7, 96, 128)
    assert first.shape == (128, 96, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_fills_its_bounds(form: str) -> None:
    product = design(5)._replace(form=form)
    pixels = body(np.random.default_rng(0), product, 80, 140).pixels
    rows = np.flatnonzero(pixels[..., 3].max(axis=1) > 127)
    columns = np.flatnonzero(pixels[..., 3].max(axis=0) > 127)
    assert pixels.shape == (140, 80, 4)
    assert (rows[0], rows[-1] + 1) == pytest.approx((0, 140), abs=2)
    assert (columns[0], columns[-1] + 1) == pytest.approx((0, 80), abs=2)


@pytest.mark.parametrize("identity", range(0, 40, 3))
def test_a_logo_is_cut_to_its_border(identity: int) -> None:
    mark = logo(identity, 100)
    assert max(mark.shape[:2]) == 100
    assert mark.shape[2] == 4
    opaque = mark[..., 3] > 20
    assert opaque[:2].any() and opaque[-2:].any() and opaque[:, :2].any() and opaque[:, -2:].any()
    assert np.array_equal(mark, logo(identity, 100))


def test_tiny_packs_can_be_drawn() -> None:
    for identity in range(0, 60, 4):
        assert body(np.random.default_rng(0), design(identity), 9, 12).pixels.shape == (12, 9, 4)
