"""The rules of packaging, images, ingredients and nutrition, row by row."""

from typing import Any

import pytest

from server.insights.engine.candidates import Candidate
from server.insights.engine.rules import (
    image_orientation,
    ingredient_detection,
    ingredient_spellcheck,
    is_upc_image,
    nutrient_extraction,
    nutrition_image,
    packaging,
)
from server.insights.engine.rules.rule import Detected
from tests.server.insights.engine.rules.situations import (
    Trees,
    image,
    prediction,
    product,
    proposed,
    situation,
)

PACKS = Trees(
    packaging_shapes={"en:bottle": {"name": {"en": "Bottle"}}, "en:tray": {"name": {"en": "Tray"}}},
    packaging_materials={
        "en:plastic": {"name": {"en": "Plastic"}},
        "en:pet": {"name": {"en": "PET"}, "parents": ["en:plastic"]},
    },
)


# packaging


def element(**properties: str) -> Any:
    data = {"element": {name: {"value": tag, "value_tag": f"en:{tag}"} for name, tag in properties.items()}}
    return prediction("packaging", data=data, automatic_processing=True)


@pytest.mark.parametrize(
    ("properties", "had", "is_proposed"),
    [
        ({"shape": "bottle"}, [], True),
        ({"material": "pet"}, [], False),
        ({"shape": "tray"}, [], False),
        ({"shape": "tray", "recycling": "recycle"}, [], True),
        ({"shape": "bottle"}, [{"shape": "en:bottle"}], False),
        ({"shape": "bottle"}, [{"shape": {"id": "en:bottle"}, "material": {"id": "en:pet"}}], False),
        ({"shape": "bottle", "material": "plastic"}, [{"shape": "en:bottle", "material": "en:pet"}], False),
        ({"shape": "bottle", "material": "pet"}, [{"shape": "en:bottle", "material": "en:plastic"}], True),
        ({"shape": "bottle", "material": "pet"}, [{"shape": "en:bottle"}], True),
        ({"shape": "bottle"}, ["nonsense", {"shape": 3}], True),
    ],
)
def test_an_element_must_say_more_than_the_product_does(
    properties: dict[str, str], had: list[Any], is_proposed: bool
) -> None:
    asked = situation(element(**properties), of=product(packagings=had), trees=PACKS)
    candidates = proposed(packaging.RULE, asked)
    assert bool(candidates) is is_proposed
    assert not any(candidate.automatic_processing for candidate in candidates)


def test_elements_of_one_shape_conflict_and_the_one_with_more_properties_comes_first() -> None:
    asked = situation(element(shape="bottle"), element(shape="bottle", material="pet"), trees=PACKS)
    short, long = proposed(packaging.RULE, asked)
    assert long.priority < short.priority
    conflicts = packaging.RULE.conflicts(asked)
    assert conflicts(short, long)
    assert not conflicts(short, Candidate(data={"element": {"shape": {"value_tag": "en:can"}}}))


# is_upc_image


def test_a_picture_of_a_barcode_matters_only_where_it_is_selected() -> None:
    found = [prediction("is_upc_image", source_image=image(number)) for number in (1, 2)]
    chosen = product(images={"1": {}, "2": {}, "front_fr": {"imgid": "2", "rev": "5"}})
    (candidate,) = proposed(is_upc_image.RULE, situation(*found, of=chosen))
    assert (candidate.source_image, candidate.automatic_processing) == (image(2), False)
    conflicts = is_upc_image.RULE.conflicts(situation())
    assert conflicts(candidate, candidate)
    assert not conflicts(candidate, Candidate(source_image=image(1)))


# ingredient_spellcheck


@pytest.mark.parametrize(
    ("data", "of", "is_proposed"),
    [
        ({"original": "suger", "correction": "sugar"}, {"lang": "en", "ingredients_text_en": "suger"}, True),
        ({"original": "sugar", "correction": "sugar"}, {"lang": "en", "ingredients_text_en": "sugar"}, False),
        ({"original": "suger", "correction": "sugar"}, {"lang": "en", "ingredients_text_en": "salt"}, False),
        ({"original": "suger", "correction": "sugar"}, {"lang": "fr", "ingredients_text_en": "suger"}, False),
        ({"original": "suger"}, {"lang": "en", "ingredients_text_en": "suger"}, False),
        ({"original": "suger", "correction": "sugar"}, None, True),
    ],
)
def test_a_correction_is_of_the_text_that_the_product_has_in_its_main_language(
    data: dict[str, str], of: dict[str, str] | None, is_proposed: bool
) -> None:
    found = prediction("ingredient_spellcheck", value_tag="en", data=data, automatic_processing=True)
    asked = situation(found, of=None if of is None else product(**of))
    candidates = proposed(ingredient_spellcheck.RULE, asked)
    assert [candidate.automatic_processing for candidate in candidates] == ([False] if is_proposed else [])


# image_orientation


def turned(count: dict[str, int], orientation: str = "left", rotation: int = 90) -> Any:
    return prediction(
        "image_orientation", data={"count": count, "orientation": orientation, "rotation": rotation}
    )


@pytest.mark.parametrize(
    ("count", "angle", "is_automatic"),
    [
        ({"left": 20}, 0, True),
        ({"left": 9}, 0, False),
        ({"left": 19, "up": 1}, 0, True),
        ({"left": 18, "up": 2}, 0, None),
        ({"left": 20}, 90, None),
        ({"left": 20}, 450, None),
    ],
)
def test_a_selected_image_is_turned_where_nearly_all_words_lie_on_their_side(
    count: dict[str, int], angle: int, is_automatic: bool | None
) -> None:
    selected = {"imgid": "1", "rev": "7", "angle": angle}
    asked = situation(turned(count), of=product(images={"1": {}, "front_fr": selected}))
    candidates = proposed(image_orientation.RULE, asked)
    assert [one.automatic_processing for one in candidates] == (
        [] if is_automatic is None else [is_automatic]
    )
    for one in candidates:
        assert one.confidence == count["left"] / sum(count.values())
        assert one.value_tag == "left"
        assert (one.data["image_key"], one.data["image_rev"], one.data["rotation"]) == ("front_fr", "7", 90)


def test_upright_images_and_those_that_nobody_selected_stay() -> None:
    images = {
        "1": {},
        "2": {},
        "front_fr": {"imgid": "2", "rev": "7"},
        "front_de": {"imgid": "1", "rev": "8"},
    }
    assert (
        proposed(image_orientation.RULE, situation(turned({"up": 20}, "up", 0), of=product(images=images)))
        == []
    )
    (candidate,) = proposed(
        image_orientation.RULE, situation(turned({"left": 20}), of=product(images=images))
    )
    assert candidate.data["image_key"] == "front_de"
    conflicts = image_orientation.RULE.conflicts(situation())
    other = Candidate(source_image=image(1), data={"image_key": "front_fr"})
    assert conflicts(candidate, candidate)
    assert not conflicts(candidate, other)


def test_an_orientation_that_is_no_word_turns_nothing() -> None:
    strange = prediction("image_orientation", data={"count": {"left": 20}, "orientation": ["left"]})
    assert proposed(image_orientation.RULE, situation(strange, of=product())) == []


# ingredient_detection


@pytest.mark.parametrize(
    ("data", "text", "priority"),
    [
        ({"fraction_known_ingredients": 0.6}, "", 1),
        ({"ingredients_n": 10, "known_ingredients_n": 7}, "", 1),
        ({"ingredients_n": 10, "known_ingredients_n": 5}, "", None),
        ({"fraction_known_ingredients": 0.59}, "", None),
        ({"fraction_known_ingredients": 1}, "sugar", None),
        ({}, "", None),
    ],
)
def test_a_list_of_known_ingredients_is_proposed_where_the_product_has_none(
    data: dict[str, Any], text: str, priority: int | None
) -> None:
    found = prediction("ingredient_detection", value_tag="en", data=data, automatic_processing=True)
    orientation = prediction("image_orientation", data={"rotation": 270})
    asked = situation(found, orientation, of=product(ingredients_text_en=text))
    candidates = proposed(ingredient_detection.RULE, asked)
    assert [one.priority for one in candidates] == ([] if priority is None else [priority])
    for one in candidates:
        assert (one.data["rotation"], one.data["priority"], one.automatic_processing) == (270, 1, False)


def test_a_list_on_the_selected_photo_comes_after_the_others() -> None:
    images = {"1": {}, "ingredients_en": {"imgid": "1", "rev": "3"}}
    found = prediction("ingredient_detection", value_tag="en", data={"fraction_known_ingredients": 1})
    (candidate,) = proposed(ingredient_detection.RULE, situation(found, of=product(images=images)))
    assert (candidate.priority, candidate.data["priority"]) == (2, 2)


# nutrition_image


def mentions(names: int = 4, values: int = 3, energy: bool = True, language: str = "fr") -> dict[str, Any]:
    found: dict[str, Any] = {
        f"nutrient{number}": [
            {"raw": "x", "languages": [language], "bounding_box_absolute": [20 + number, 30, 40 + number, 60]}
        ]
        for number in range(names)
    }
    found["nutrient_value"] = [{"raw": "3 g"}] * (values - 1) + [{"raw": "250 kJ" if energy else "4 g"}]
    return {"mentions": found}


UPRIGHT = prediction("image_orientation", 2, data={"orientation": "right", "rotation": 270})


@pytest.mark.parametrize(
    ("data", "of", "is_proposed"),
    [
        (mentions(), {"lang": "fr"}, True),
        (mentions(names=3), {"lang": "fr"}, False),
        (mentions(values=2), {"lang": "fr"}, False),
        (mentions(energy=False), {"lang": "fr"}, False),
        (mentions(), {"lang": "de"}, False),
        (mentions(), {"lang": "fr", "images": {"1": {}, "nutrition_fr": {"imgid": "1"}}}, False),
        ({"mentions": [1]}, {"lang": "fr"}, False),
        (mentions(), None, True),
    ],
)
def test_a_picture_with_enough_nutrients_is_proposed_in_the_main_language(
    data: dict[str, Any], of: dict[str, Any] | None, is_proposed: bool
) -> None:
    found = prediction("nutrient_mention", data=data)
    asked = situation(found, UPRIGHT, of=None if of is None else product(**of))
    candidates = proposed(nutrition_image.RULE, asked)
    assert [candidate.value_tag for candidate in candidates] == (["fr"] if is_proposed else [])
    for candidate in candidates:
        assert candidate.automatic_processing is True
        assert (candidate.priority, candidate.data["priority"], candidate.data["rotation"]) == (2, 2, 270)
        assert candidate.data["from_prediction_ids"] == {"nutrient_mention": 1, "image_orientation": 2}
        assert candidate.data["bounding_box_absolute"] == [10, 20, 53, 70]


def test_numbers_that_were_read_come_first() -> None:
    read = prediction("nutrient", 3, data={"nutrients": {"fat": [{"value": "1"}]}})
    asked = situation(prediction("nutrient_mention", data=mentions()), UPRIGHT, read, of=product(lang="fr"))
    (candidate,) = proposed(nutrition_image.RULE, asked)
    assert (candidate.priority, candidate.data["nutrients"]) == (1, {"fat": [{"value": "1"}]})


@pytest.mark.parametrize(
    ("scores", "score"), [((0.9,), 0.9), ((0.9, 0.5), 0.9), ((0.7,), None), ((0.9, 0.8), None)]
)
def test_the_crop_is_the_only_sure_table(scores: tuple[float, ...], score: float | None) -> None:
    tables = {image(1): [Detected(one, (0.1, 0.2, 0.3, 0.4)) for one in scores]}
    found = prediction("nutrient_mention", data=mentions())
    (candidate,) = proposed(
        nutrition_image.RULE, situation(found, UPRIGHT, of=product(lang="fr"), tables=tables)
    )
    assert candidate.data.get("crop_score") == score
    assert ("bounding_box" in candidate.data) is (score is not None)
    assert ("bounding_box_absolute" in candidate.data) is (score is None)


# nutrient_extraction


def table(**nutrients: Any) -> Any:
    entities = {"raw": [1], "aggregated": [2], "postprocessed": [3]}
    return prediction(
        "nutrient_extraction",
        data={"nutrients": nutrients, "entities": entities},
        automatic_processing=True,
        source_image=image(2),
    )


FAT = {"fat_100g": {"value": "3.5", "unit": "g"}}


@pytest.mark.parametrize(
    ("read", "of", "campaign"),
    [
        (FAT, {}, ("missing-nutrition",)),
        (FAT, {"nutriments": {"nova-group_100g": 4}}, ("missing-nutrition",)),
        (FAT, {"nutriments": {"fat_100g": 3.5, "fat_unit": "g"}}, None),
        (FAT, {"nutriments": {"fat_100ml": "3,5", "fat_unit": "g"}}, None),
        (FAT, {"nutriments": {"fat_100g": 3500, "fat_unit": "mg"}}, None),
        (FAT, {"nutriments": {"fat_100g": 4}}, ("incomplete-nutrition",)),
        (FAT, {"nutriments": {"salt_100g": 4}}, ("incomplete-nutrition",)),
        (FAT, {"nutriments": {"fat_serving": 1}}, None),
        (
            {"fat_100g": {"value": "3.5", "unit": None}},
            {"nutriments": {"fat_100g": 3.5, "fat_unit": "mg"}},
            None,
        ),
        ({"fat_100g": {"value": "<3.5", "unit": "g"}}, {"nutriments": {"fat_100g": 3.5}}, None),
        ({"fat_100g": {"value": "traces"}}, {"nutriments": {"fat_100g": 0}}, None),
        ({"energy-kj_100g": {"value": "250", "unit": "kJ"}}, {"nutriments": {"energy_100g": 250}}, None),
        (
            {"salt_100g": {"value": "0.5", "unit": "g"}},
            {"nutriments": {"salt_100g": 0.5, "salt_unit": "mg"}},
            None,
        ),
        (
            FAT | {"serving_size": {"value": "30 g"}},
            {"nutriments": {"fat_100g": 3.5}},
            ("incomplete-nutrition",),
        ),
        (
            FAT | {"serving_size": {"value": "30 g"}},
            {"nutriments": {"fat_100g": 3.5}, "serving_size": "25 g"},
            None,
        ),
        (FAT, {"schema_version": 1002}, None),
        (FAT, {"schema_version": 1003}, ("missing-nutrition",)),
        (FAT, {"nutriments": {"fat_prepared_100g": 1}}, None),
        (
            FAT,
            {
                "nutrition": {
                    "input_sets": [
                        {
                            "preparation": "as_sold",
                            "per": "100ml",
                            "nutrients": {"fat": {"value": 3.5, "unit": "g"}},
                        }
                    ]
                }
            },
            None,
        ),
        (FAT, {"nutrition": {"input_sets": [{"preparation": "prepared"}]}}, None),
        ({}, {}, None),
    ],
)
def test_a_table_is_proposed_where_the_product_lacks_or_contradicts_it(
    read: dict[str, Any], of: dict[str, Any], campaign: tuple[str, ...] | None
) -> None:
    candidates = proposed(nutrient_extraction.RULE, situation(table(**read), of=product(**of)))
    assert [candidate.campaign for candidate in candidates] == ([] if campaign is None else [campaign])
    for candidate in candidates:
        assert candidate.automatic_processing is False
        assert candidate.data["entities"] == {"postprocessed": [3]}


@pytest.mark.parametrize(
    ("languages", "lc"),
    [
        ([["fr"], ["fr"], ["en"]], ("fr",)),
        ([["fr", "en"], ["fr", "en"], ["fr"]], ("fr", "en")),
        ([["de"]], ("de",)),
        ([], None),
    ],
)
def test_the_languages_are_those_of_at_least_two_mentions_else_the_first(
    languages: list[list[str]], lc: tuple[str, ...] | None
) -> None:
    names = {f"name{place}": [{"languages": one}] for place, one in enumerate(languages)}
    mention = prediction("nutrient_mention", data={"mentions": names}, source_image=image(2))
    rotated = prediction("image_orientation", data={"rotation": 90}, source_image=image(2))
    asked = situation(table(**FAT), mention, rotated, of=product())
    (candidate,) = proposed(nutrient_extraction.RULE, asked)
    assert (candidate.lc, candidate.data["rotation"]) == (lc, 90)


class Answered(Candidate):
    """A stored one that somebody has answered."""

    @property
    def annotation(self) -> int | None:
        return 0


@pytest.mark.parametrize(
    ("reference", "is_conflict"),
    [
        (Candidate(source_image=image(1)), True),
        (Candidate(source_image=image(3)), True),
        (Answered(source_image=image(1)), False),
        (Answered(source_image=image(2)), True),
        (Answered(source_image=image(3)), True),
    ],
)
def test_a_product_has_one_table_but_a_newer_photo_may_be_asked_again(
    reference: Candidate, is_conflict: bool
) -> None:
    conflicts = nutrient_extraction.RULE.conflicts(situation())
    assert conflicts(Candidate(source_image=image(2)), reference) is is_conflict
