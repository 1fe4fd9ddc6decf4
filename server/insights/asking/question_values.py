"""What a question shows of its insight: the value in the reader's language, and pictures (contract 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from server.insights import barcodes
from server.insights.asking.wording import Wording, without_region
from server.insights.schema import Question

TYPES = (
    "category",
    "label",
    "product_weight",
    "brand",
    "nutrition_image",
    "packaging",
    "is_upc_image",
    "image_orientation",
)
DEFAULT_TYPES = ("category", "label", "product_weight", "brand", "packaging")
TAXONOMIES = ("categories", "labels", "packaging_shapes", "packaging_materials", "packaging_recycling")
TAGGED = frozenset({"category", "label", "brand"})
# Those of one product are asked in this order, all others last.
PRIORITIES = {"category": 0, "label": 1, "brand": 2}


class Names(Protocol):
    """One taxonomy."""

    def name(self, tag: str, language: str) -> str | None:
        """The name in a language, else the international one, else None."""

    def property(self, tag: str, name: str) -> str | None:
        """The text of a property, None where there is none."""


class Library(Protocol):
    """All taxonomies."""

    def get(self, name: str) -> Names:
        """One by its name, an empty one where there is none."""


class Part(msgspec.Struct, frozen=True):
    """One of the three parts of a packaging element."""

    value: str | None = None
    value_tag: str | None = None


class Element(msgspec.Struct, frozen=True):
    """A packaging element."""

    shape: Part | None = None
    material: Part | None = None
    recycling: Part | None = None


class Data(msgspec.Struct, frozen=True):
    """What questions need of an insight's data."""

    element: Element | None = None
    image_key: str | None = None
    image_rev: str | int | None = None


NOTHING = Data()
_decode = msgspec.json.Decoder(Data).decode


class QuestionValues:
    """Makes questions of rows; `image_url` is the root of product pictures."""

    def __init__(
        self, library: Library, wording: Wording, *, image_url: str, english_names: bool = False
    ) -> None:
        self._library = library
        self._wording = wording
        self._image_url = image_url.rstrip("/")
        self._english_names = english_names

    @property
    def edition(self) -> tuple[object, ...]:
        """What the names come from: another object after each change of a taxonomy."""
        return tuple(self._library.get(name) for name in TAXONOMIES)

    def questions(self, rows: list[Mapping[str, Any]], language: str) -> list[Question]:
        """A question for each row of `queries_questions.COLUMNS`, in order."""
        texts = self._wording.questions(language)
        return [self._question(row, language, texts[row["type"]]) for row in rows]

    def _question(self, row: Mapping[str, Any], language: str, text: str) -> Question:
        kind, tag, image = row["type"], row["value_tag"], row["image"]
        data = NOTHING if row["data"] is None else _data(row["data"])
        if kind == "image_orientation":
            image = _selected(row["barcode"], data)
        elif image is not None:
            # The generic and the front picture have their size already, a raw one gets it.
            image = barcodes.shown(image)
        return Question(
            barcode=row["barcode"],
            server_type=row["server_type"],
            type="add-binary",
            value=self._value(row, data, language),
            question=text,
            insight_id=row["id"],
            insight_type=kind,
            value_tag=tag if kind in TAGGED else None,
            ref_image_url=self._reference(tag) if kind == "label" and tag is not None else None,
            source_image_url=None if image is None else self._image_url + image,
        )

    def _value(self, row: Mapping[str, Any], data: Data, language: str) -> str | None:
        kind, tag, value = row["type"], row["value_tag"], row["value"]
        if kind in ("category", "label"):
            found = value or "" if tag is None else self._name(_PLURALS[kind], tag, language)
        elif kind == "packaging":
            found = self._packaging(data, language) or value or ""
        elif kind in ("brand", "product_weight"):
            found = value or tag or ""
        else:
            found = tag
        return found

    def _packaging(self, data: Data, language: str) -> str:
        element = data.element or Element()
        parts = (
            ("packaging_shapes", element.shape),
            ("packaging_materials", element.material),
            ("packaging_recycling", element.recycling),
        )
        return ", ".join(
            text for taxonomy, part in parts if part and (text := self._part(taxonomy, part, language))
        )

    def _part(self, taxonomy: str, part: Part, language: str) -> str:
        return part.value or "" if part.value_tag is None else self._name(taxonomy, part.value_tag, language)

    def _name(self, taxonomy: str, tag: str, language: str) -> str:
        """Of the language, of the language without its region, international, English where wanted, the tag."""
        names = self._library.get(taxonomy)
        name = names.name(tag, language)
        plain = without_region(language)
        if plain != language and (name is None or name == names.name(tag, "xx")):
            name = names.name(tag, plain)
        if name is None and self._english_names:
            name = names.name(tag, "en")
        return name or tag

    def _reference(self, tag: str) -> str | None:
        """A picture of the label, where the taxonomy has the address of one."""
        address = self._library.get("labels").property(tag, "image")
        return address if address and address.startswith(("https://", "http://")) else None


_PLURALS = {"category": "categories", "label": "labels"}


def _data(text: str) -> Data:
    """Imported rows are stored as they are, so another shape says nothing."""
    try:
        return _decode(text)
    except msgspec.ValidationError:
        return NOTHING


def _selected(barcode: str, data: Data) -> str | None:
    """The path of the selected picture that the question is about."""
    if not data.image_key or data.image_rev is None:
        return None
    return f"{barcodes.folder(barcode)}/{data.image_key}.{data.image_rev}.400.jpg"
