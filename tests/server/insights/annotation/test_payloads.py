"""The data of an annotation of 2: which type takes what."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.insights.annotation import payloads
from server.insights.annotation.nutrients import InvalidData
from server.insights.annotation.payloads import IngredientList, OtherCategory

INGREDIENTS = ("ingredient_spellcheck", "ingredient_detection")
IGNORING = ("label", "brand", "packaging", "nutrition_image", "is_upc_image", "image_flag", "product_weight")


def test_a_category_takes_another_tag() -> None:
    assert payloads.parse("category", {"value_tag": "en:beef"}) == OtherCategory("en:beef")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "value_tag"),
        ({"value_tag": None}, "value_tag"),
        ({"value_tag": 1}, "value_tag"),
        ({"value_tag": ""}, "value_tag"),
        ({"value_tag": "beef"}, "en:beef"),
        ({"value_tag": "en:" + "b" * 200}, "value_tag"),
        ({"value_tag": "en:beef", "value": None}, "`value` is not expected"),
        ({"value_tag": "en:beef", "a\n": 1}, "'a\\\\n' is not expected"),
        ([], "JSON object"),
        ("en:beef", "JSON object"),
        (3, "JSON object"),
    ],
)
def test_a_category_takes_nothing_else(data: Any, why: str) -> None:
    with pytest.raises(InvalidData, match=why):
        payloads.parse("category", data)


@pytest.mark.parametrize("insight_type", INGREDIENTS)
def test_ingredients_take_a_text_a_turn_and_a_box(insight_type: str) -> None:
    assert payloads.parse(insight_type, {"annotation": " Milk. "}) == IngredientList(" Milk. ")
    data = {"annotation": "Milk", "rotation": 90, "bounding_box": [0, 0.1, 1, 0.9]}
    assert payloads.parse(insight_type, data) == IngredientList("Milk", 90, (0, 0.1, 1, 0.9))
    data = {"annotation": "Milk", "rotation": None, "bounding_box": None}
    assert payloads.parse(insight_type, data) == IngredientList("Milk")


@pytest.mark.parametrize("insight_type", INGREDIENTS)
@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "`annotation`"),
        ({"annotation": None}, "`annotation`"),
        ({"annotation": " \n"}, "`annotation`"),
        ({"annotation": ["Milk"]}, "`annotation`"),
        ({"annotation": "m" * 50_001}, "50000 characters"),
        ({"annotation": "Milk", "rotation": 45}, "`rotation`"),
        ({"annotation": "Milk", "rotation": "90"}, "`rotation`"),
        ({"annotation": "Milk", "rotation": 90.0}, "`rotation`"),
        ({"annotation": "Milk", "rotation": True}, "`rotation`"),
        ({"annotation": "Milk", "bounding_box": [0, 0, 2, 1]}, "`bounding_box`"),
        ({"annotation": "Milk", "bounding_box": [0.5, 0, 0.5, 1]}, "`bounding_box`"),
        ({"annotation": "Milk", "bounding_box": []}, "`bounding_box`"),
        ({"annotation": "Milk", "bounding_box": {}}, "`bounding_box`"),
        ({"annotation": "Milk", "lang": "en"}, "`lang` is not expected"),
        ([{"annotation": "Milk"}], "JSON object"),
    ],
)
def test_ingredients_take_nothing_else(insight_type: str, data: Any, why: str) -> None:
    with pytest.raises(InvalidData, match=why):
        payloads.parse(insight_type, data)


@pytest.mark.parametrize("insight_type", IGNORING)
def test_the_other_types_ignore_what_comes(insight_type: str) -> None:
    for data in ({}, {"anything": 1}, [], "text", 0):
        assert payloads.parse(insight_type, data) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "value_tag",
                    "annotation",
                    "rotation",
                    "bounding_box",
                    "nutrients",
                    "fat_100g",
                    "value",
                    "unit",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["category", "nutrient_extraction", *INGREDIENTS]), ANYTHING)
def test_whatever_comes_fits_or_is_refused_in_one_line(insight_type: str, data: Any) -> None:
    try:
        payload = payloads.parse(insight_type, data)
    except InvalidData as fault:
        assert str(fault).isprintable()
    else:
        assert payload is not None
