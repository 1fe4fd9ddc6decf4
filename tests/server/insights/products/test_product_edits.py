"""What each edit leaves in a product's data."""

from typing import Any

import pytest

from server.insights.products.edits import AddPackaging, AddTag, Edit, SelectImage, SetField, UnselectImage
from server.insights.products.product_edits import edited
from server.insights.products.products import ImageUnknown

RAW = {"1": {"sizes": {"full": {"w": 800, "h": 600}}}}


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        ({}, AddTag("labels", "en:organic"), {"labels_tags": ["en:organic"], "labels": "en:organic"}),
        (
            {"brands": "Petit, ", "brands_tags": ["petit"]},
            AddTag("brands", "Crème d'Été"),
            {"brands": "Petit, Crème d'Été", "brands_tags": ["petit", "creme-d-ete"]},
        ),
        (
            {"stores": "Lidl", "stores_tags": ["lidl"]},
            AddTag("stores", "Lidl"),
            {"stores": "Lidl", "stores_tags": ["lidl"]},
        ),
        ({"categories": 7, "categories_tags": "no list"}, AddTag("categories", "en:soups"),
         {"categories": "en:soups", "categories_tags": ["en:soups"]}),
        ({"quantity": ""}, SetField("quantity", "525 g"), {"quantity": "525 g"}),
        ({}, SetField("expiration_date", "2031-01-02"), {"expiration_date": "2031-01-02"}),
        (
            {"emb_codes": "EMB 1"},
            SetField("emb_codes", "EMB 1,FR 85.222.003 CE"),
            {"emb_codes": "EMB 1,FR 85.222.003 CE", "emb_codes_tags": ["emb-1", "fr-85-222-003-ce"]},
        ),
        (
            {"lang": "fr"},
            SetField("ingredients_text_fr", "eau"),
            {"lang": "fr", "ingredients_text_fr": "eau", "ingredients_text": "eau"},
        ),
        (
            {"lang": "fr", "ingredients_text": "eau"},
            SetField("ingredients_text_en", "water"),
            {"lang": "fr", "ingredients_text": "eau", "ingredients_text_en": "water"},
        ),
        ({}, SetField("nutriment_fat", "3,5"), {"nutriments": {"fat_100g": 3.5}}),
        (
            {"nutriments": {"salt_100g": 1, "fat_100g": 9, "fat_modifier": "~"}},
            SetField("nutriment_fat", "< 0.5"),
            {"nutriments": {"salt_100g": 1, "fat_100g": 0.5, "fat_modifier": "<"}},
        ),
        ({}, SetField("nutriment_salt", "traces"), {"nutriments": {"salt_100g": "traces"}}),
        ({}, SetField("nutriment_vitamin-d_unit", "µg"), {"nutriments": {"vitamin-d_unit": "µg"}}),
        (
            {"packagings": [{"shape": "en:box"}]},
            AddPackaging("en:bottle", None, "en:recycle"),
            {"packagings": [{"shape": "en:box"}, {"shape": "en:bottle", "recycling": "en:recycle"}]},
        ),
        ({"images": {**RAW, "front_fr": {"imgid": "1"}}}, UnselectImage("front_fr"), {"images": RAW}),
        ({"images": RAW}, UnselectImage("front_fr"), {"images": RAW}),
    ],
)  # fmt: skip
def test_an_edit_changes_its_fields_and_no_others(
    before: dict[str, Any], edit: Edit, after: dict[str, Any]
) -> None:
    original = {**before}
    assert edited(before, [edit]) == after
    assert before == original


def test_nutrients_follow_the_basis_that_comes_with_them_in_any_order() -> None:
    found = edited({}, [SetField("nutriment_fat", "2"), SetField("nutrition_data_per", "serving")])
    assert found == {"nutriments": {"fat_serving": 2.0}, "nutrition_data_per": "serving"}


def test_a_selected_image_gets_its_crop_and_the_next_revision() -> None:
    before = {"images": {**RAW, "nutrition_fr": {"imgid": "9", "rev": "4", "sizes": {}}}}
    chosen = edited(before, [SelectImage("1", "nutrition_fr", 90, (1.0, 2.0, 30.0, 40.0))])
    assert chosen["images"]["nutrition_fr"] == {
        "imgid": "1", "rev": "5", "angle": 90, "x1": 1.0, "y1": 2.0, "x2": 30.0, "y2": 40.0
    }  # fmt: skip
    first = edited({"images": RAW}, [SelectImage("1", "front_en")])
    assert first["images"]["front_en"]["rev"] == "1"
    assert first["images"]["front_en"]["x1"] is None


def test_an_image_that_the_product_does_not_have_cannot_be_selected() -> None:
    with pytest.raises(ImageUnknown):
        edited({"images": RAW}, [SelectImage("2", "front_en")])
