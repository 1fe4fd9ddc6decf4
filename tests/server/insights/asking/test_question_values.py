"""Each type of question has its text, value and pictures (contract 2.5)."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from server.insights.asking.question_values import QuestionValues
from server.insights.asking.wording import Wording
from server.insights.schema import Question

ROOT = "https://images.openfoodfacts.org/images/products"
FOLDER = "/325/039/017/2185"
NAMES: dict[str, dict[str, dict[str, str]]] = {
    "categories": {
        "en:soups": {"en": "Soups", "fr": "Soupes", "pt": "Sopas", "pt_BR": "Sopas do Brasil"},
        "en:cola": {"xx": "Cola", "en": "Cola drinks", "pt": "Refrigerantes"},
        "en:english": {"en": "English only"},
    },
    "labels": {"en:bio": {"en": "Organic", "fr": "Bio"}},
    "packaging_shapes": {"en:box": {"en": "Box", "fr": "Boîte"}},
    "packaging_materials": {"en:cardboard": {"en": "Cardboard", "fr": "Carton"}},
    "packaging_recycling": {"en:recycle": {"en": "Recycle", "fr": "À recycler"}},
}


class Names:
    """A taxonomy of three nodes."""

    def __init__(self, nodes: dict[str, dict[str, str]], image: str | None) -> None:
        self._nodes = nodes
        self._image = image

    def name(self, tag: str, language: str) -> str | None:
        names = self._nodes.get(tag, {})
        return names.get(language) or names.get("xx")

    def property(self, tag: str, name: str) -> str | None:
        return self._image if name == "image" else None


class Library:
    """Those above; every label has the same picture."""

    def __init__(self, image: str | None) -> None:
        self._image = image

    def get(self, name: str) -> Names:
        return Names(NAMES.get(name, {}), self._image)


def question(
    language: str = "en", *, reference: str | None = None, english_names: bool = False, **columns: Any
) -> Question:
    """The question of a row with these columns."""
    row: dict[str, Any] = {
        "id": UUID(int=1),
        "barcode": "3250390172185",
        "server_type": "off",
        "type": "category",
        "value_tag": None,
        "value": None,
        "data": None,
        "image": f"{FOLDER}/6.jpg",
    } | columns
    values = QuestionValues(Library(reference), Wording(), image_url=ROOT + "/", english_names=english_names)
    [made] = values.questions([row], language)
    return made


@pytest.mark.parametrize(
    ("tag", "language", "name"),
    [
        ("en:soups", "fr", "Soupes"),
        ("en:soups", "pt_BR", "Sopas do Brasil"),
        ("en:soups", "pt-PT", "Sopas"),
        ("en:cola", "fr", "Cola"),
        ("en:cola", "pt-BR", "Refrigerantes"),
        ("en:cola", "de-AT", "Cola"),
        ("en:english", "fr", "en:english"),
        ("en:unknown", "en", "en:unknown"),
    ],
)
def test_a_name_is_of_the_language_else_without_region_else_international_else_the_tag(
    tag: str, language: str, name: str
) -> None:
    assert question(language, value_tag=tag).value == name


def test_english_names_come_before_the_tag_where_wanted() -> None:
    assert question("fr", value_tag="en:english", english_names=True).value == "English only"
    assert question("fr", value_tag="en:cola", english_names=True).value == "Cola"


def test_the_text_is_of_the_same_language() -> None:
    assert question("fr", value_tag="en:soups").question == "Le produit appartient-il à cette catégorie ?"
    assert question("xx", value_tag="en:soups").question == "Does the product belong to this category?"


@pytest.mark.parametrize(
    ("columns", "value", "value_tag"),
    [
        ({"type": "label", "value_tag": "en:bio"}, "Organic", "en:bio"),
        ({"type": "label", "value": "Bio"}, "Bio", None),
        ({"type": "product_weight", "value": "525 g"}, "525 g", None),
        ({"type": "brand", "value": "Carrefour", "value_tag": "carrefour"}, "Carrefour", "carrefour"),
        ({"type": "brand", "value_tag": "carrefour"}, "carrefour", "carrefour"),
        ({"type": "nutrition_image", "value_tag": "fr"}, "fr", None),
        ({"type": "is_upc_image"}, None, None),
        ({"type": "image_orientation", "value_tag": "left"}, "left", None),
    ],
)
def test_a_value_is_what_its_type_shows(
    columns: dict[str, Any], value: str | None, value_tag: str | None
) -> None:
    made = question(**columns)
    assert (made.value, made.value_tag) == (value, value_tag)


@pytest.mark.parametrize(
    ("element", "language", "value"),
    [
        ({"shape": {"value_tag": "en:box"}}, "en", "Box"),
        (
            {
                "recycling": {"value_tag": "en:recycle"},
                "material": {"value_tag": "en:cardboard"},
                "shape": {"value_tag": "en:box"},
            },
            "fr",
            "Boîte, Carton, À recycler",
        ),
        ({"shape": {"value": "pot"}, "material": None}, "fr", "pot"),
        ({"shape": {"value": "pot", "value_tag": "en:jar"}}, "fr", "en:jar"),
        ({"shape": "not an object"}, "fr", "opaque"),
        ({}, "fr", "opaque"),
    ],
)
def test_packaging_is_its_shape_material_and_recycling(
    element: dict[str, Any], language: str, value: str
) -> None:
    data = msgspec.json.encode({"element": element}).decode()
    assert question(language, type="packaging", value="opaque", data=data).value == value


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        (f"{FOLDER}/6.jpg", f"{FOLDER}/6.400.jpg"),
        (f"{FOLDER}/front_fr.4.400.jpg", f"{FOLDER}/front_fr.4.400.jpg"),
        (f"{FOLDER}/7.400.jpg", f"{FOLDER}/7.400.jpg"),
    ],
)
def test_a_raw_picture_is_shown_at_400_pixels_and_another_as_it_is(image: str, shown: str) -> None:
    assert question(image=image).source_image_url == ROOT + shown


def test_without_a_picture_there_is_no_address() -> None:
    assert question(image=None).source_image_url is None


def test_orientation_shows_the_selected_picture_it_is_about() -> None:
    data = '{"image_key": "front_fr", "image_rev": "12", "rotation": 90}'
    made = question(type="image_orientation", value_tag="left", data=data)
    assert made.source_image_url == f"{ROOT}{FOLDER}/front_fr.12.400.jpg"
    assert question(type="image_orientation", data="{}").source_image_url is None


@pytest.mark.parametrize(
    ("image", "shown"), [("https://x.org/a.svg", "https://x.org/a.svg"), ("Q123", None), (None, None)]
)
def test_a_label_has_a_reference_picture_where_there_is_an_address(
    image: str | None, shown: str | None
) -> None:
    assert question(type="label", value_tag="en:bio", reference=image).ref_image_url == shown
    assert question(type="label", reference=image).ref_image_url is None
    assert question(type="category", value_tag="en:soups", reference=image).ref_image_url is None


def test_what_is_unknown_is_left_out_of_the_answer() -> None:
    made = question(type="is_upc_image", image=None)
    assert list(msgspec.to_builtins(made)) == [
        "barcode",
        "server_type",
        "type",
        "value",
        "question",
        "insight_id",
        "insight_type",
    ]
