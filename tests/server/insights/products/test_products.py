"""A product of the dump, whose fields may be anything."""

from typing import Any

import pytest

from server.insights.products.products import Product

ODD = [None, "", "x", "nan", "inf", 10**400, -1, [], {}, True]


@pytest.mark.parametrize("value", ODD)
def test_odd_numbers_break_nothing(value: Any) -> None:
    image = {"imgid": 1, "rev": value, "angle": value, "x1": value, "y1": value, "x2": value, "y2": value}
    product = Product(
        "off",
        "0000000000123",
        {
            "unique_scans_n": value,
            "images": {"1": {"sizes": {"full": {"w": value, "h": 10}}}, "front_fr": image},
        },
    )
    (selected,) = product.selected_images
    assert (selected.crop, selected.image_id) == (None, "1")
    assert product.size_of("1") in (None, (1, 10))
    assert product.scans in (0, 1)


@pytest.mark.parametrize("value", ODD)
def test_images_may_be_anything(value: Any) -> None:
    assert Product("off", "1", {"images": value}).raw_images == []
    product = Product("off", "1", {"images": {"1": value, "front_fr": value}})
    assert product.size_of("1") is None
    assert product.selected_images == []
