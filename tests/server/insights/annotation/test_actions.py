"""What each accepted insight does to its product: tags, texts, nutrients (contract 2.4)."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.insights import packager_codes
from server.insights.annotation import actions, payloads
from server.insights.annotation.nutrients import InvalidData
from server.insights.annotation.plans import Pictures, Plan, Proposal
from server.insights.annotation.results import ALREADY, OUT_OF_DATE, UPDATED, USER_INPUT
from server.insights.products.edits import AddPackaging, AddTag, SelectImage, SetField
from server.insights.products.products import Product

IMAGES = {"1": {"sizes": {"full": {"w": 1000, "h": 2000}}}}
# The types that only say something about a product.
RECORDED = ["image_flag", "nutrient", "trace", "location", "packaging_text", "nutrient_mention", "image_lang"]


def plan(
    insight_type: str,
    product: dict[str, Any] | None = None,
    *,
    data: dict[str, Any] | None = None,
    sent: Any = None,
    pictures: Pictures | None = None,
    **columns: Any,
) -> Plan:
    proposal = Proposal(
        UUID(int=1),
        "0000000000123",
        "off",
        insight_type,
        columns.get("value_tag"),
        columns.get("value"),
        columns.get("source_image", "/000/000/000/0123/1.jpg"),
        data or {},
        None,
    )
    payload = None if sent is None else payloads.parse(insight_type, sent)
    return actions.plan(
        proposal, Product("off", "0000000000123", product or {}), payload, pictures or Pictures()
    )


def outcome(done: Plan) -> tuple[object, ...]:
    return done.answer, done.edits


@pytest.mark.parametrize(
    ("insight_type", "columns", "product", "expected"),
    [
        ("label", {"value_tag": "en:organic"}, {}, AddTag("labels", "en:organic")),
        ("category", {"value_tag": "en:soups"}, {}, AddTag("categories", "en:soups")),
        ("brand", {"value": "Some Brand", "value_tag": "some-brand"}, {}, AddTag("brands", "Some Brand")),
        (
            "brand",
            {"value": "Some Brand", "value_tag": "some-brand"},
            {"brands_tags": ["some-brand"]},
            AddTag("brands", "Some Brand"),
        ),
        ("brand", {"value_tag": "some-brand"}, {}, AddTag("brands", "some-brand")),
        ("store", {"value": "Shop", "value_tag": "shop"}, {}, AddTag("stores", "Shop")),
        ("product_weight", {"value": "500 g"}, {"quantity": " "}, SetField("quantity", "500 g")),
        ("expiration_date", {"value": "2027-01-02"}, {}, SetField("expiration_date", "2027-01-02")),
        ("packager_code", {"value": "EMB 52052B"}, {}, SetField("emb_codes", "EMB 52052B")),
        (
            "packager_code",
            {"value": "EMB 52052B"},
            {"emb_codes": "FR 12.345.678 CE, EMB 1"},
            SetField("emb_codes", "FR 12.345.678 CE,EMB 1,EMB 52052B"),
        ),
    ],
)
def test_a_fact_is_written(
    insight_type: str, columns: dict[str, Any], product: dict[str, Any], expected: SetField | AddTag
) -> None:
    assert outcome(plan(insight_type, product, **columns)) == (UPDATED, (expected,))


@pytest.mark.parametrize(
    ("insight_type", "columns", "product"),
    [
        ("label", {"value_tag": "en:organic"}, {"labels_tags": ["en:organic"]}),
        ("category", {"value_tag": "en:soups"}, {"categories_tags": ["en:meals", "en:soups"]}),
        ("store", {"value": "Shop", "value_tag": "shop"}, {"stores_tags": ["shop"]}),
        ("product_weight", {"value": "500 g"}, {"quantity": "1 kg"}),
        ("expiration_date", {"value": "2027-01-02"}, {"expiration_date": "01/2026"}),
        ("packager_code", {"value": "FR 12.345.678 CE"}, {"emb_codes": "EMB 1, fr-12345678-EC"}),
        ("nutrition_image", {"value_tag": "fr"}, {"images": {"nutrition_fr": {"imgid": "9"}}}),
    ],
)
def test_what_the_product_already_has_is_not_written(
    insight_type: str, columns: dict[str, Any], product: dict[str, Any]
) -> None:
    assert outcome(plan(insight_type, product, **columns)) == (ALREADY, ())


def test_another_category_takes_the_place_of_the_proposed_one() -> None:
    done = plan("category", value_tag="en:soups", data={"x": 1}, sent={"value_tag": "en:beef"})
    assert outcome(done) == (USER_INPUT, (AddTag("categories", "en:beef"),))
    assert done.value_tag == "en:beef"
    assert done.data == {"x": 1, "original_value_tag": "en:soups", "user_input": True}


def test_another_category_that_the_product_has_is_kept_but_not_written() -> None:
    product = {"categories_tags": ["en:beef"]}
    done = plan("category", product, value_tag="en:soups", sent={"value_tag": "en:beef"})
    assert outcome(done) == (ALREADY, ())
    assert done.value_tag == "en:beef"


def test_a_packaging_element_is_written_with_the_tags_it_has() -> None:
    element = {
        "shape": {"value": "bottle", "value_tag": "en:bottle"},
        "material": {"value": "plastic", "value_tag": "en:plastic"},
        "recycling": {"value": "?", "value_tag": None},
    }
    done = plan("packaging", data={"element": element})
    assert outcome(done) == (UPDATED, (AddPackaging("en:bottle", "en:plastic", None),))
    done = plan("packaging", data={"element": {"shape": {"value_tag": "en:box"}}})
    assert outcome(done) == (UPDATED, (AddPackaging("en:box", None, None),))


@pytest.mark.parametrize("sent", [None, {"annotation": "Milk, salt"}])
def test_a_list_of_ingredients_is_corrected(sent: Any) -> None:
    data = {"original": "Mlk", "correction": "Milk"}
    done = plan("ingredient_spellcheck", value_tag="en", data=data, sent=sent)
    text = "Milk" if sent is None else "Milk, salt"
    assert outcome(done) == (UPDATED, (SetField("ingredients_text_en", text),))
    assert done.data == (None if sent is None else {**data, "annotation": "Milk, salt"})


NUTRIENTS = {"fat_100g": {"value": "3.5", "unit": "g", "entity": "FAT_100G"}}
FACTS = (
    SetField("nutrition_data_per", "100g"),
    SetField("nutriment_fat", "3.5"),
    SetField("nutriment_fat_unit", "g"),
)


@pytest.mark.parametrize("is_corrected", [True, False])
def test_nutrients_are_written_and_the_insight_keeps_what_was(is_corrected: bool) -> None:
    own = {"nutrients": {"salt_100g": {"value": "9", "unit": "g"}} if is_corrected else NUTRIENTS}
    sent = {"nutrients": {"fat_100g": {"value": "3.5", "unit": "g"}}} if is_corrected else None
    done = plan("nutrient_extraction", data=own, sent=sent)
    assert outcome(done) == (UPDATED, FACTS)
    assert done.data == {
        **own,
        "annotation": {
            "nutrients": {"fat": {"value": "3.5", "unit": "g"}},
            "serving_size": None,
            "nutrition_data_per": "100g",
        },
        "was_updated": is_corrected,
    }


def test_the_picture_of_the_nutrients_is_selected_turned_and_cropped_to_its_one_table() -> None:
    product = {"lang": "fr", "images": IMAGES}
    table = (0.1, 0.2, 0.5, 0.6)
    data = {"nutrients": NUTRIENTS}

    def selection(pictures: Pictures, product: dict[str, Any] = product) -> tuple[object, ...]:
        return plan("nutrient_extraction", product, data=data, pictures=pictures).edits[3:]

    one = Pictures(rotation=90, tables=(table,))
    assert selection(one) == (SelectImage("1", "nutrition_fr", 90, (1000, 200, 1800, 600)),)
    two = Pictures(tables=(table, table))
    assert selection(two) == (SelectImage("1", "nutrition_fr"),)
    other = {**IMAGES, "nutrition_fr": {"imgid": "2"}}
    assert selection(Pictures(), {"lang": "fr", "images": other}) == (SelectImage("1", "nutrition_fr"),)


@pytest.mark.parametrize(
    "product",
    [
        {"lang": "fr", "images": {**IMAGES, "nutrition_fr": {"imgid": "1"}}},
        {"lang": "fr", "images": {"2": {}}},
        {"lang": "fr"},
        {"images": IMAGES},
    ],
)
def test_a_picture_that_is_selected_already_or_gone_is_not_selected(product: dict[str, Any]) -> None:
    assert plan("nutrient_extraction", product, data={"nutrients": NUTRIENTS}).edits == FACTS


def test_nutrients_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(InvalidData):
        plan("nutrient_extraction", data={"nutrients": {"fat": {"value": "1"}}})


@pytest.mark.parametrize(
    ("insight_type", "data"),
    [
        ("label", {}),
        ("category", {}),
        ("brand", {}),
        ("store", {}),
        ("product_weight", {}),
        ("expiration_date", {}),
        ("packager_code", {}),
        ("packaging", {}),
        ("packaging", {"element": {"shape": {"value": "?"}}}),
        ("ingredient_spellcheck", {"correction": "Milk"}),
        ("ingredient_detection", {"text": "Milk"}),
        ("nutrition_image", {}),
        ("image_orientation", {}),
    ],
)
def test_an_insight_without_what_it_proposes_is_out_of_date(insight_type: str, data: dict[str, Any]) -> None:
    assert outcome(plan(insight_type, {"images": IMAGES}, data=data)) == (OUT_OF_DATE, ())


def test_every_type_that_becomes_an_insight_has_an_action_and_the_others_are_recorded() -> None:
    assert not any(map(actions.has_action, RECORDED))
    known = (
        "packager_code label category product_weight expiration_date brand store packaging is_upc_image "
        "nutrition_image ingredient_spellcheck nutrient_extraction image_orientation ingredient_detection"
    )
    assert all(map(actions.has_action, known.split()))


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ("FR 12.345.678 CE", "fr12345678ec", True),
        ("FR 12-345-678 EC", "FR12345678CE", True),
        ("EMB 52052B", "emb-52052b", True),
        ("É 1", "e1", True),
        ("EMB 52052B", "EMB 52052", False),
    ],
)
def test_two_spellings_of_a_packager_code_are_one(one: str, other: str, are_equal: bool) -> None:
    assert (packager_codes.normalised(one) == packager_codes.normalised(other)) is are_equal


JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.floats(), max_size=4)
TYPES = sorted(actions.ACTIONS)


@given(
    st.sampled_from(TYPES),
    st.dictionaries(
        st.sampled_from(
            ["element", "image_key", "rotation", "bounding_box", "text", "correction", "nutrients"]
        ),
        JUNK | st.dictionaries(st.sampled_from(["shape", "fat_100g", "front_fr"]), JUNK, max_size=2),
    ),
    st.dictionaries(st.sampled_from(["images", "emb_codes", "labels_tags", "quantity", "lang"]), JUNK),
    st.none() | st.text(max_size=3),
)
def test_whatever_an_insight_and_its_product_hold_there_is_a_plan_or_a_refusal(
    insight_type: str, data: dict[str, Any], product: dict[str, Any], value: str | None
) -> None:
    try:
        done = plan(insight_type, product, data=data, value=value, value_tag=value)
    except InvalidData:
        assert insight_type == "nutrient_extraction"
        return
    assert (done.answer in (UPDATED, USER_INPUT)) or not done.edits
