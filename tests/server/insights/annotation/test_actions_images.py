"""What accepted insights do to the pictures of a product (contract 2.4)."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.insights.annotation import actions, boxes, payloads
from server.insights.annotation.plans import Pictures, Plan, Proposal
from server.insights.annotation.results import BAD_IMAGE, FAILED, OUT_OF_DATE, UPDATED
from server.insights.products.edits import SelectImage, SetField, UnselectImage
from server.insights.products.products import Product

SIZES = {"full": {"w": 1000, "h": 2000}, "400": {"w": 200, "h": 400}}
BOX = [0.1, 0.2, 0.5, 0.6]


def plan(
    insight_type: str,
    images: dict[str, Any],
    *,
    data: dict[str, Any] | None = None,
    sent: Any = None,
    source_image: str | None = "/000/000/000/0123/1.jpg",
    size: boxes.Size | None = None,
    value_tag: str | None = "fr",
    bounding_box: Any = None,
) -> Plan:
    proposal = Proposal(
        UUID(int=1),
        "0000000000123",
        "off",
        insight_type,
        value_tag,
        None,
        source_image,
        data or {},
        bounding_box,
    )
    payload = None if sent is None else payloads.parse(insight_type, sent)
    product = Product("off", "0000000000123", {"images": images})
    return actions.plan(proposal, product, payload, Pictures(size))


def test_a_nutrition_image_is_selected_turned_and_cropped() -> None:
    for data, column in (({"rotation": 90, "bounding_box": BOX}, None), ({"rotation": 90}, BOX)):
        done = plan("nutrition_image", {"1": {"sizes": SIZES}}, data=data, bounding_box=column)
        crop = (1000, 200, 1800, 600)
        assert (done.answer, done.edits) == (UPDATED, (SelectImage("1", "nutrition_fr", 90, crop),))


def test_without_a_box_or_a_size_the_whole_picture_is_selected() -> None:
    whole = (SelectImage("1", "nutrition_fr"),)
    assert plan("nutrition_image", {"1": {"sizes": SIZES}}).edits == whole
    assert plan("nutrition_image", {"1": {}}, data={"bounding_box": BOX}).edits == whole
    done = plan("nutrition_image", {"1": {}}, data={"bounding_box": BOX}, size=(100, 100))
    assert done.edits == (SelectImage("1", "nutrition_fr", 0, (20, 10, 60, 50)),)


@pytest.mark.parametrize("source_image", [None, "/000/000/000/0123/7.jpg", "/000/000/000/0123/front_fr.jpg"])
def test_a_picture_that_the_product_does_not_have(source_image: str | None) -> None:
    images = {"1": {}, "front_fr": {"imgid": "1"}}
    expected = {"nutrition_image": BAD_IMAGE, "is_upc_image": FAILED, "image_orientation": OUT_OF_DATE}
    for insight_type, answer in expected.items():
        data = {"image_key": "front_fr", "rotation": 90}
        done = plan(insight_type, images, source_image=source_image, data=data)
        assert (done.answer, done.edits) == (answer, ())


def test_a_bar_code_is_unselected_wherever_it_is() -> None:
    images = {
        "1": {},
        "2": {},
        "front_fr": {"imgid": "1"},
        "ingredients_fr": {"imgid": 1},
        "nutrition_fr": {"imgid": "2"},
    }
    done = plan("is_upc_image", images, value_tag=None)
    assert (done.answer, done.edits) == (
        UPDATED,
        (UnselectImage("front_fr"), UnselectImage("ingredients_fr")),
    )
    assert plan("is_upc_image", {"1": {}}).edits == ()


def orientation(selected: dict[str, Any], rotation: Any = 90, **others: Any) -> Plan:
    images = {"1": {"sizes": SIZES}, "front_fr": selected}
    return plan("image_orientation", images, data={"image_key": "front_fr", "rotation": rotation}, **others)


def test_a_selected_picture_is_turned_with_its_crop() -> None:
    crop = {"x1": 200, "y1": 200, "x2": 600, "y2": 1000}
    done = orientation({"imgid": "1", "angle": 0, **crop})
    assert done.edits == (SelectImage("1", "front_fr", 90, (1000, 200, 1800, 600)),)
    done = orientation(
        {"imgid": "1", "angle": "90", "x1": 1000, "y1": 200, "x2": 1800, "y2": 600}, rotation=0
    )
    assert done.edits == (SelectImage("1", "front_fr", 0, (200, 200, 600, 1000)),)


def test_a_crop_counted_in_the_small_version_is_carried_to_the_full_size() -> None:
    small = {"coordinates_image_size": "400", "x1": "40", "y1": "40", "x2": "120", "y2": "200"}
    done = orientation({"imgid": "1", "angle": 0, **small})
    assert done.edits == (SelectImage("1", "front_fr", 90, (1000, 200, 1800, 600)),)


def test_a_selected_picture_without_a_crop_is_only_turned() -> None:
    for none in ({}, {"x1": "-1", "y1": "-1", "x2": "-1", "y2": "-1"}, {"x1": None}):
        assert orientation({"imgid": "1", **none}).edits == (SelectImage("1", "front_fr", 90),)


@pytest.mark.parametrize(
    ("selected", "rotation"),
    [({"imgid": "2"}, 90), ({}, 90), ({"imgid": "1"}, None), ({"imgid": "1"}, 45)],
)
def test_a_selection_that_changed_is_out_of_date(selected: dict[str, Any], rotation: Any) -> None:
    done = orientation(selected, rotation)
    assert (done.answer, done.edits) == (OUT_OF_DATE, ())


def test_a_crop_that_cannot_be_carried_is_out_of_date() -> None:
    crop = {"imgid": "1", "x1": 1, "y1": 1, "x2": 2, "y2": 2}
    data = {"image_key": "front_fr", "rotation": 90}
    assert plan("image_orientation", {"1": {}, "front_fr": crop}, data=data).answer is OUT_OF_DATE
    assert orientation({**crop, "angle": 45}).answer is OUT_OF_DATE


@given(
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.sampled_from(boxes.ANGLES),
    st.lists(st.sampled_from(boxes.ANGLES), min_size=1, max_size=6),
)
def test_turning_again_and_again_loses_nothing(width: int, height: int, start: int, turns: list[int]) -> None:
    sizes = {"full": {"w": width, "h": height}}
    first = boxes.crop((0.25, 0.25, 0.75, 0.5), (width, height), start)
    crop, angle = first, start
    for target in [*turns, start]:
        names = dict(zip(("x1", "y1", "x2", "y2"), crop, strict=True))
        images = {"1": {"sizes": sizes}, "front_fr": {"imgid": "1", "angle": angle, **names}}
        (edit,) = plan("image_orientation", images, data={"image_key": "front_fr", "rotation": target}).edits
        assert isinstance(edit, SelectImage)
        assert edit.crop is not None
        crop, angle = edit.crop, edit.angle
    assert crop == pytest.approx(first)


def detection(sent: Any = None, images: dict[str, Any] | None = None, **data: Any) -> Plan:
    own = {"text": "Lait, sel", "bounding_box": BOX, "rotation": 90, **data}
    known = {"1": {"sizes": SIZES}} if images is None else images
    return plan("ingredient_detection", known, data=own, sent=sent)


def test_detected_ingredients_are_written_and_their_picture_selected() -> None:
    done = detection()
    assert done.edits == (
        SetField("ingredients_text_fr", "Lait, sel"),
        SelectImage("1", "ingredients_fr", 90, (1000, 200, 1800, 600)),
    )
    assert (done.answer, done.data) == (UPDATED, None)


def test_a_corrected_text_without_a_box_is_not_cropped() -> None:
    done = detection({"annotation": "Lait, sel, sucre"})
    assert done.edits == (
        SetField("ingredients_text_fr", "Lait, sel, sucre"),
        SelectImage("1", "ingredients_fr", 90),
    )
    assert done.data is not None
    assert done.data["annotation"] == "Lait, sel, sucre"


def test_a_given_turn_and_box_count() -> None:
    done = detection({"annotation": "Lait", "rotation": 0, "bounding_box": [0, 0, 0.5, 0.5]})
    assert done.edits[1] == SelectImage("1", "ingredients_fr", 0, (0, 0, 500, 1000))


def test_ingredients_whose_picture_is_gone_are_written_all_the_same() -> None:
    assert detection(images={"2": {}}).edits == (SetField("ingredients_text_fr", "Lait, sel"),)
