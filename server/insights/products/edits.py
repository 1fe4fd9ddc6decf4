"""The changes that accepted insights make to products (contract 2.4)."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class SetField(NamedTuple):
    """A field gets this text: `quantity`, `ingredients_text_fr`, `nutriment_fat`."""

    field: str
    value: str


class AddTag(NamedTuple):
    """One more value of a list: `field` is categories, labels, brands or stores; a tag or a name."""

    field: str
    value: str


class AddPackaging(NamedTuple):
    """One more packaging component; each is a tag of its taxonomy or None."""

    shape: str | None
    material: str | None
    recycling: str | None


class SelectImage(NamedTuple):
    """A raw picture becomes the one for `key` (nutrition_fr)."""

    image_id: str
    key: str
    angle: int = 0  # degrees clockwise: 0, 90, 180 or 270
    # x1, y1, x2, y2 in pixels of the full size after rotation; None for the whole picture.
    crop: tuple[float, float, float, float] | None = None


class UnselectImage(NamedTuple):
    """There is no picture for `key` any more."""

    key: str


Edit: TypeAlias = SetField | AddTag | AddPackaging | SelectImage | UnselectImage
