"""Nutrients: what users may send, what is kept of it, what is written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.insights.annotation import nutrients
from server.insights.annotation.nutrients import InvalidData, Nutrient
from server.insights.products.edits import SetField


def value(text: str, unit: str | None = None) -> dict[str, Any]:
    return {"value": text, "unit": unit}


def test_the_suffix_goes_and_says_what_the_values_refer_to() -> None:
    found = nutrients.of_user({"nutrients": {"fat_100g": value("3.5", "g"), "salt_100g": value("1", "g")}})
    assert found.per == "100g"
    assert found.nutrients == {"fat": Nutrient("3.5", "g"), "salt": Nutrient("1", "g")}
    found = nutrients.of_user({"nutrients": {"fat_serving": value("3.5", "g")}})
    assert (found.per, list(found.nutrients)) == ("serving", ["fat"])


def test_the_most_frequent_suffix_wins_and_the_others_are_dropped() -> None:
    given_ = {"fat_100g": value("1"), "fat_serving": value("2"), "salt_serving": value("3")}
    found = nutrients.of_user({"nutrients": given_})
    assert (found.per, {name: one.value for name, one in found.nutrients.items()}) == (
        "serving",
        {"fat": "2", "salt": "3"},
    )


def test_100_g_wins_a_tie() -> None:
    for names in (("fat_100g", "salt_serving"), ("salt_serving", "fat_100g")):
        found = nutrients.of_user({"nutrients": {name: value("1") for name in names}})
        assert (found.per, list(found.nutrients)) == ("100g", ["fat"])


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("energy-kcal", "kcal"),
        ("energy-kj", "kJ"),
        ("proteins", "g"),
        ("added-sugars", "g"),
        ("trans-fat", "g"),
        ("salt", "g"),
        ("cholesterol", "mg"),
        ("sodium", "mg"),
        ("vitamin-d", "\u00b5g"),
        ("vitamin-c", None),
        ("energy", None),
    ],
)
def test_a_missing_unit_is_the_usual_one(name: str, unit: str | None) -> None:
    for entry in (value("1"), {"value": "1"}, value("1", ""), value("1", " ")):
        found = nutrients.of_user({"nutrients": {f"{name}_100g": entry}})
        assert found.nutrients[name].unit == unit
    assert nutrients.of_user({"nutrients": {f"{name}_100g": value("1", "oz")}}).nutrients[name].unit == "oz"


def test_a_nutrient_without_a_unit_is_kept_but_not_sent() -> None:
    found = nutrients.of_user({"nutrients": {"vitamin-c_100g": value("2"), "fat_100g": value("1")}})
    assert found.as_data()["nutrients"]["vitamin-c"] == {"value": "2", "unit": None}
    assert found.edits() == [
        SetField("nutrition_data_per", "100g"),
        SetField("nutriment_fat", "1"),
        SetField("nutriment_fat_unit", "g"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        {"nutrients": {"fat_100g": value("1"), "serving_size": {"value": "30 g"}}},
        {"nutrients": {"fat_100g": value("1"), "serving_size": "30 g"}},
        {"nutrients": {"fat_100g": value("1")}, "serving_size": "30 g"},
        {"nutrients": {"fat_100g": value("1"), "serving_size": {"value": None}}, "serving_size": "30 g"},
    ],
)
def test_the_serving_size_may_be_in_three_places(data: dict[str, Any]) -> None:
    found = nutrients.of_user(data)
    assert found.serving_size == "30 g"
    assert SetField("serving_size", "30 g") in found.edits()


def test_without_a_serving_size_none_is_written() -> None:
    for size in (None, "", " "):
        found = nutrients.of_user({"nutrients": {"fat_100g": value("1")}, "serving_size": size})
        assert found.serving_size is None
        assert [edit.field for edit in found.edits()] == [
            "nutrition_data_per",
            "nutriment_fat",
            "nutriment_fat_unit",
        ]


def test_other_keys_at_the_root_are_accepted() -> None:
    data = {"nutrients": {"fat_100g": value("1")}, "nutrition_data_per": "serving", "anything": [1]}
    assert nutrients.of_user(data).per == "100g"


FULL = {f"vitamin-{number}_100g": value("1") for number in range(301)}


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        (None, "must be an object"),
        ([], "must be an object"),
        ({}, "at least one"),
        ({"serving_size": {"value": "30 g"}}, "at least one"),
        ({"fat_100g": value(" ")}, "at least one"),
        ({"fat": value("1")}, "`fat`"),
        ({"fat_100ml": value("1")}, "`fat_100ml`"),
        ({"_100g": value("1")}, "`_100g`"),
        ({"fat_unit_100g": value("1")}, "`fat_unit_100g`"),
        ({"fat_100g\n": value("1")}, r"'fat_100g\\n'"),
        ({"fat_100g": "1"}, "`fat_100g` must be an object"),
        ({"fat_100g": {}}, "`value` of `fat_100g` must be a string"),
        ({"fat_100g": {"value": 3.5, "unit": "g"}}, "must be a string"),
        ({"fat_100g": {"value": "3.5", "unit": 1}}, "`unit` of `fat_100g` must be a string"),
        ({"fat_100g": value("1" * 201)}, "200 characters"),
        ({"fat_100g": value("1"), "serving_size": 30}, "`serving_size` must be a string"),
        (FULL, "300"),
    ],
)
def test_what_does_not_fit_is_refused_in_clear_words(given_: Any, why: str) -> None:
    with pytest.raises(InvalidData, match=why) as caught:
        nutrients.of_user({"nutrients": given_})
    assert "\n" not in str(caught.value)


def test_of_what_a_network_read_the_usable_part_counts() -> None:
    found = nutrients.of_insight(
        {
            "nutrients": {
                "fat_100g": {"value": "3.5", "unit": "g", "entity": "FAT_100G", "score": 0.9},
                "salt_100g": {"value": None, "unit": "g"},
                "sugars_100g": {"value": 12.5, "unit": None},
                "proteins": {"value": "1", "unit": "g"},
                "fiber_100g": "2",
                "serving_size": {"value": "30 g"},
            },
            "entities": {},
        }
    )
    assert found.nutrients == {"fat": Nutrient("3.5", "g"), "sugars": Nutrient("12.5", "g")}
    assert (found.serving_size, found.per) == ("30 g", "100g")


def test_nothing_usable_is_refused() -> None:
    for data in ({}, {"nutrients": None}, {"nutrients": {"fat_100g": {"value": None}}}):
        with pytest.raises(InvalidData, match="at least one"):
            nutrients.of_insight(data)


NAMES = st.sampled_from(["fat", "salt", "sugars", "fiber", "iron", "vitamin-c", "energy-kj"])
KEYS = st.builds(lambda name, per: f"{name}_{per}", NAMES, st.sampled_from(["100g", "serving"]))


@given(st.dictionaries(KEYS, st.builds(value, st.from_regex(r"\A[0-9]{1,3}\Z")), min_size=1))
def test_what_is_kept_refers_to_one_amount_and_is_as_much_as_can_be(given_: dict[str, Any]) -> None:
    found = nutrients.of_user({"nutrients": given_})
    by_suffix = {
        per: {key.rpartition("_")[0] for key in given_ if key.endswith(f"_{per}")}
        for per in ("100g", "serving")
    }
    assert set(found.nutrients) == by_suffix[found.per]
    assert len(found.nutrients) == max(map(len, by_suffix.values()))
    assert all(
        found.nutrients[name].value == given_[f"{name}_{found.per}"]["value"] for name in found.nutrients
    )
