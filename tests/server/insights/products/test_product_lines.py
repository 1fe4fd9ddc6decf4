"""Lines of the public dump as rows of the product table."""

from typing import Any

import msgspec
import pytest

from server import errors
from server.insights.products import product_lines


def test_a_line_is_kept_whole_beside_its_key_and_its_images() -> None:
    line: dict[str, Any] = {
        "code": "737628064502",
        "product_name": "Thai peanut noodle kit",
        "nova_groups_tags": ["en:4-ultra-processed-food-and-drink-products"],
        "images": {
            "1": {"uploaded_t": 1488888888, "sizes": {"full": {"w": 10, "h": 20}}},
            "ingredients_en": {"imgid": "1", "rev": "7"},
            "front_en": {"imgid": "1", "rev": "9", "x1": "-1"},
        },
    }
    row = product_lines.stored(line)
    assert row[:2] == ("off", "0737628064502")
    assert msgspec.json.decode(row.data) == line
    assert row.generic_image == row.front_image == "/073/762/806/4502/front_en.9.400.jpg"


def test_nested_images_become_flat_ones() -> None:
    nested = {
        "uploaded": {"1": {"uploaded_t": 1}},
        "selected": {
            "front": {"fr": {"imgid": "1", "rev": "4", "generation": {"angle": 90, "x1": 5}}},
            "nutrition": {"en": {"imgid": "1", "rev": "5"}},
        },
    }
    row = product_lines.stored({"code": "123", "images": nested})
    assert msgspec.json.decode(row.data)["images"] == {
        "1": {"uploaded_t": 1},
        "front_fr": {"imgid": "1", "rev": "4", "angle": 90, "x1": 5},
        "nutrition_en": {"imgid": "1", "rev": "5"},
    }
    assert row.front_image == "/000/000/000/0123/front_fr.4.400.jpg"


def test_odd_nested_images_are_no_fault() -> None:
    row = product_lines.stored({"code": "123", "images": {"uploaded": [], "selected": {"front": 7}}})
    assert msgspec.json.decode(row.data)["images"] == {}


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"code": None},
        {"code": True},
        {"code": "12a"},
        {"code": ""},
        {"code": "1", "server_type": "nope"},
        {"code": "1", "server_type": 7},
        {"code": "1", "product_name": "a\x00b"},
        {"code": "1", "a\x00": 1},
        {"code": "1", "product_name": "\\\x00"},
    ],
)
def test_a_line_that_cannot_be_kept_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(errors.BadRequest):
        product_lines.stored(line)


def test_text_that_only_spells_a_null_character_is_kept() -> None:
    row = product_lines.stored({"code": 1, "product_name": "\\u0000"})
    assert msgspec.json.decode(row.data)["product_name"] == "\\u0000"
