"""What a decision changes in a product's data, as our own store does it (contract 2.4, ruling 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from server.insights import tags
from server.insights.products.edits import AddPackaging, AddTag, Edit, SelectImage, SetField, UnselectImage
from server.insights.products.products import ImageUnknown

NUTRIMENT = "nutriment_"
UNIT = "_unit"
INGREDIENTS = "ingredients_text_"
NUMBER = re.compile(r"([<>~]?)\s*(\d+(?:[.,]\d+)?)")


def edited(data: Mapping[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """A copy of the data with all edits done in order; `ImageUnknown` when one names a missing picture."""
    changed = dict(data)
    # First, for it says how the nutrients that come with it are meant.
    for edit in sorted(edits, key=lambda one: not _is_basis(one)):
        match edit:
            case SetField():
                _set(changed, edit.field, edit.value)
            case AddTag():
                _add(changed, edit.field, edit.value)
            case AddPackaging():
                component = {name: value for name, value in edit._asdict().items() if value is not None}
                changed["packagings"] = [*_list(changed.get("packagings")), component]
            case SelectImage():
                _select(changed, edit)
            case UnselectImage():
                changed["images"] = {
                    key: entry for key, entry in _dict(changed.get("images")).items() if key != edit.key
                }
    return changed


def _is_basis(edit: Edit) -> bool:
    return isinstance(edit, SetField) and edit.field == "nutrition_data_per"


def _set(data: dict[str, Any], field: str, value: str) -> None:
    if field.startswith(NUTRIMENT):
        _set_nutriment(data, field.removeprefix(NUTRIMENT), value)
        return
    data[field] = value
    if field == "emb_codes":
        data["emb_codes_tags"] = [found for code in value.split(",") if (found := tags.tag(code.strip()))]
    elif field.startswith(INGREDIENTS) and field == f"{INGREDIENTS}{data.get('lang') or data.get('lc')}":
        data["ingredients_text"] = value


def _set_nutriment(data: dict[str, Any], name: str, value: str) -> None:
    """`fat` or `fat_unit`; a number becomes one, with what stands before it (<, >, ~) apart."""
    nutriments = dict(_dict(data.get("nutriments")))
    if name.endswith(UNIT):
        nutriments[name] = value
    else:
        basis = "serving" if data.get("nutrition_data_per") == "serving" else "100g"
        number = NUMBER.fullmatch(value.strip())
        nutriments[f"{name}_{basis}"] = value if number is None else float(number[2].replace(",", "."))
        nutriments.pop(f"{name}_modifier", None)
        if number is not None and number[1]:
            nutriments[f"{name}_modifier"] = number[1]
    data["nutriments"] = nutriments


def _add(data: dict[str, Any], field: str, value: str) -> None:
    """The tag to the list, the text to the plain field, each once."""
    tag = value if tags.is_tag(value) else tags.tag(value)
    listed = _list(data.get(f"{field}_tags"))
    if tag not in listed:
        data[f"{field}_tags"] = [*listed, tag]
    plain = data.get(field)
    texts = [text.strip() for text in plain.split(",")] if isinstance(plain, str) else []
    texts = [text for text in texts if text]
    if value not in texts:
        data[field] = ", ".join([*texts, value])


def _select(data: dict[str, Any], edit: SelectImage) -> None:
    images = dict(_dict(data.get("images")))
    if edit.image_id not in images:
        raise ImageUnknown(edit.image_id)
    before = str(_dict(images.get(edit.key)).get("rev"))
    revision = int(before) + 1 if before.isdecimal() else 1
    x1, y1, x2, y2 = edit.crop or (None, None, None, None)
    images[edit.key] = {
        "imgid": edit.image_id,
        "rev": str(revision),
        "angle": edit.angle,
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
    }
    data["images"] = images


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
