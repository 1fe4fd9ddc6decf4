"""What is printed on packs and rails: each object alone fills the box that is reported for it."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.render import barcode, composition, font, nutriscore, nutrition_table, price_tag, shelf
from models.train.render.back import TABLE_LABEL, back
from models.train.render.design import design
from models.train.render.scene import Sketch


@pytest.mark.parametrize("grade", nutriscore.GRADES)
def test_a_grade_label_is_the_only_change_and_fills_its_box(grade: str) -> None:
    ground = np.full((200, 160, 3), 90, np.uint8)
    rng = np.random.default_rng(nutriscore.GRADES.index(grade))
    drawn = composition.with_grade(rng, Sketch(ground, []), None, 1.0)
    ((label, points),) = drawn.outlines
    changed = (drawn.pixels != ground).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert label.startswith("nutriscore-")
    assert points.min(axis=0) == pytest.approx((columns[0], rows[0]), abs=2)
    assert points.max(axis=0) == pytest.approx((columns[-1] + 1, rows[-1] + 1), abs=2)


def test_the_chosen_letter_is_the_large_one() -> None:
    heights = []
    for grade in "ae":
        mark = nutriscore.label(np.random.default_rng(3), grade, 200)
        left, right = mark[:, :60].astype(int), mark[:, -60:].astype(int)
        green = np.count_nonzero((left[..., 1] - left[..., 0] > 50).any(axis=1))
        red = np.count_nonzero((right[..., 0] - right[..., 1] > 80).any(axis=1))
        heights.append((green, red))
    assert heights[0][0] > heights[0][1]
    assert heights[1][1] > heights[1][0]


@pytest.mark.parametrize("seed", range(12))
def test_a_table_fits_where_it_is_asked_to(seed: int) -> None:
    drawn = nutrition_table.table(np.random.default_rng(seed), 240, 300)
    assert drawn.ndim == 3 and drawn.dtype == np.uint8
    assert drawn.shape[1] <= 240
    assert 16 <= drawn.shape[0] <= 360


def test_a_back_has_one_table_or_none() -> None:
    product = design(9)
    for seed in range(4):
        labels = [
            outline.label for outline in back(np.random.default_rng(seed), product, 200, 300, 0.7).outlines
        ]
        assert labels.count(TABLE_LABEL) == 1
        labels = [
            outline.label for outline in back(np.random.default_rng(seed), product, 200, 300, None).outlines
        ]
        assert TABLE_LABEL not in labels


@pytest.mark.parametrize("size", [(160, 90), (40, 24), (18, 10)])
def test_a_price_tag_has_the_size_asked_for(size: tuple[int, int]) -> None:
    for seed in range(6):
        assert price_tag.tag(np.random.default_rng(seed), *size).shape == (size[1], size[0], 3)


def test_a_barcode_is_black_on_white() -> None:
    code = barcode.linear(np.random.default_rng(0), 190, 60)
    assert code.shape == (60, 190, 3)
    assert code.min() < 40 and code.max() == 255
    assert barcode.square(np.random.default_rng(0), 90).shape == (90, 90, 3)


def test_an_empty_shelf_has_edges_and_gaps_but_no_product() -> None:
    labels = {
        outline.label for outline in shelf.shelf(np.random.default_rng(4), 200, 200, fill_share=0.0).outlines
    }
    assert shelf.PRODUCT not in labels
    assert {shelf.EDGE, shelf.GAP} <= labels


def test_text_is_drawn_without_any_font_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font, "folders", list)
    for cached in (font.faces, font.faces_for):
        cached.cache_clear()
    try:
        for script, letters in font.PROBES.items():
            face = font.faces_for(script)[0]
            assert font.line(letters, face, 24).max() > 200
    finally:
        for cached in (font.faces, font.faces_for):
            cached.cache_clear()
