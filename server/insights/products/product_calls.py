"""The calls of a product server's writing API that do our edits (contract 2.4, PO calls)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from server.insights.products.edits import AddPackaging, AddTag, Edit, SelectImage, SetField, UnselectImage

FIELDS_PATH = "/cgi/product_jqm2.pl"
CROP_PATH = "/cgi/product_image_crop.pl"
UNSELECT_PATH = "/cgi/product_image_unselect.pl"
PATCH_PATH = "/api/v3/product/"
SAVED = "fields saved"


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request without anybody's credentials; `fields` is a form, or the JSON body of a PATCH."""

    path: str
    fields: dict[str, Any]
    method: Literal["POST", "PATCH"] = "POST"
    # Cutting a picture takes the server longer.
    is_slow: bool = False


def calls(barcode: str, edits: Sequence[Edit], comment: str) -> list[Call]:
    """Texts and tags in one call first, then packagings in one, then a call for every picture."""
    code = barcode.rpartition("/")[2]
    fields: dict[str, str] = {}
    packagings: list[dict[str, Any]] = []
    images: list[Call] = []
    for edit in edits:
        match edit:
            case SetField():
                fields[edit.field] = edit.value
            case AddTag():
                name = f"add_{edit.field}"
                fields[name] = f"{fields[name]},{edit.value}" if name in fields else edit.value
            case AddPackaging():
                tags = edit._asdict().items()
                packagings.append({name: {"id": tag} for name, tag in tags if tag is not None})
            case SelectImage():
                images.append(Call(path=CROP_PATH, fields=_crop(code, edit), is_slow=True))
            case UnselectImage():
                images.append(Call(path=UNSELECT_PATH, fields={"code": code, "id": edit.key}, is_slow=True))
    found = []
    if fields:
        found.append(Call(path=FIELDS_PATH, fields={"code": code, "comment": comment, **fields}))
    if packagings:
        body = {"comment": comment, "product": {"packagings_add": packagings}}
        found.append(Call(path=PATCH_PATH + code, fields=body, method="PATCH"))
    return found + images


def _crop(code: str, edit: SelectImage) -> dict[str, Any]:
    fields: dict[str, Any] = {"code": code, "imgid": edit.image_id, "id": edit.key}
    if edit.angle:
        fields["angle"] = str(edit.angle)
    if edit.crop is not None:
        corners = dict(zip(("x1", "y1", "x2", "y2"), map(str, edit.crop), strict=True))
        fields |= corners | {"coordinates_image_size": "full"}
    return fields


def refusal(call: Call, status: int, body: bytes) -> str | None:
    """Why an answer means that the call was not done, None when it was."""
    if status != 200:
        return f"{call.path} was answered {status}"
    if call.path == FIELDS_PATH:
        return None if SAVED.encode() in body else f"{call.path} saved nothing"
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return f"{call.path} gave no JSON"
    said = answer.get("status") if isinstance(answer, Mapping) else None
    return f"{call.path} failed" if said in ("status not ok", "failure", 0) else None
