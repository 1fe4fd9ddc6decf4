"""From an accepted insight to the edits of its product: pictures selected, turned, unselected (contract 2.4)."""

from __future__ import annotations

from collections.abc import Mapping

from server.insights.annotation import boxes
from server.insights.annotation.boxes import ANGLES, Box, Size
from server.insights.annotation.payloads import IngredientList, Payload
from server.insights.annotation.plans import Pictures, Plan, Proposal
from server.insights.annotation.results import ALREADY, BAD_IMAGE, FAILED, OUT_OF_DATE, UPDATED
from server.insights.products.edits import SelectImage, SetField, UnselectImage
from server.insights.products.products import Product, SelectedImage

# Of the smaller version that a crop may be counted in.
SMALL = "400"


def nutrition_image(
    proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures
) -> Plan:
    """Its picture becomes the one of the nutrition facts, turned and cropped as predicted."""
    if not proposal.value_tag:
        return Plan(OUT_OF_DATE)
    key = f"nutrition_{proposal.value_tag}"
    if _selected(product, key) is not None:
        return Plan(ALREADY)
    image_id = _raw_image(proposal, product)
    if image_id is None:
        return Plan(BAD_IMAGE)
    angle = boxes.angle_of(proposal.data.get("rotation")) or 0
    edit = _selection(product, image_id, key, angle, _own_box(proposal), pictures)
    return Plan(UPDATED, (edit,), f"Selecting image {image_id} as {key}")


def upc_image(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    """Its picture shows a bar code, so it is unselected wherever it was selected."""
    image_id = _raw_image(proposal, product)
    if image_id is None:
        return Plan(FAILED)
    keys = [image.key for image in product.selected_images if image.image_id == image_id]
    edits = tuple(UnselectImage(key) for key in keys)
    return Plan(UPDATED, edits, f"Unselecting image {image_id} of a barcode", without_image=FAILED)


def image_orientation(
    proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures
) -> Plan:
    """The selected picture is turned upright, and its crop with it."""
    image_id = _raw_image(proposal, product)
    selected = _selected(product, str(proposal.data.get("image_key")))
    angle = boxes.angle_of(proposal.data.get("rotation"))
    if image_id is None or selected is None or selected.image_id != image_id or angle is None:
        return Plan(OUT_OF_DATE)
    if selected.crop is None:
        edit = SelectImage(image_id, selected.key, angle)
    else:
        size = product.size_of(image_id) or pictures.size
        if size is None or selected.angle not in ANGLES:
            # Nobody could tell where its crop is.
            return Plan(OUT_OF_DATE)
        edit = SelectImage(image_id, selected.key, angle, _crop_turned(product, selected, size, angle))
    return Plan(UPDATED, (edit,), f"Turning {selected.key} by {angle} degrees", without_image=OUT_OF_DATE)


def ingredient_detection(
    proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures
) -> Plan:
    """The text becomes the ingredient list, its picture the one of the ingredients."""
    given = payload if isinstance(payload, IngredientList) else None
    text = given.annotation if given else proposal.data.get("text")
    language = proposal.value_tag
    if not language or not isinstance(text, str) or not text.strip():
        return Plan(OUT_OF_DATE)
    edits: list[SetField | SelectImage] = [SetField(f"ingredients_text_{language}", text)]
    image_id = _raw_image(proposal, product)
    if image_id is not None:
        angle = given.rotation if given else None
        if angle is None:
            angle = boxes.angle_of(proposal.data.get("rotation")) or 0
        # A text that was corrected without a box need not be the one in the detected box.
        box = given.bounding_box if given else _own_box(proposal)
        edits.append(_selection(product, image_id, f"ingredients_{language}", angle, box, pictures))
    return Plan(
        UPDATED,
        tuple(edits),
        f"Adding the ingredient list ({language})",
        data=None if given is None else {**proposal.data, "annotation": text},
    )


def nutrition_selection(proposal: Proposal, product: Product, pictures: Pictures) -> tuple[SelectImage, ...]:
    """The selection that goes with extracted nutrients: none if it is already so, or the picture is gone."""
    key = f"nutrition_{product.language}"
    image_id = _raw_image(proposal, product)
    selected = _selected(product, key)
    if image_id is None or not product.language or (selected is not None and selected.image_id == image_id):
        return ()
    box = pictures.tables[0] if len(pictures.tables) == 1 else None
    return (_selection(product, image_id, key, pictures.rotation, box, pictures),)


def _selection(
    product: Product, image_id: str, key: str, angle: int, box: Box | None, pictures: Pictures
) -> SelectImage:
    """The whole picture where its size, and with it the place of the box, is not known."""
    size = product.size_of(image_id) or pictures.size
    crop = None if box is None or size is None else boxes.crop(box, size, angle)
    return SelectImage(image_id, key, angle, crop)


def _crop_turned(
    product: Product, selected: SelectedImage, size: Size, angle: int
) -> tuple[float, float, float, float] | None:
    """The crop of a selected picture, in pixels of the full size, after it is turned to another angle."""
    if selected.crop is None:
        return None
    scale = _scale(product, selected, size)
    x1, y1, x2, y2 = (side * scale for side in selected.crop)
    before = boxes.turned_size(size, selected.angle)
    y1, x1, y2, x2 = boxes.turned((y1, x1, y2, x2), before, (angle - selected.angle) % 360)
    return x1, y1, x2, y2


def _scale(product: Product, selected: SelectedImage, size: Size) -> float:
    """From the pixels that a crop is counted in to those of the full size."""
    entry = product.images[selected.key]
    raw = product.images.get(selected.image_id)
    if entry.get("coordinates_image_size") != SMALL or not isinstance(raw, Mapping):
        return 1.0
    sizes = raw.get("sizes")
    small = sizes.get(SMALL) if isinstance(sizes, Mapping) else None
    width = small.get("w") if isinstance(small, Mapping) else None
    return size[0] / width if isinstance(width, int | float) and width > 0 else max(size) / int(SMALL)


def _own_box(proposal: Proposal) -> Box | None:
    """The box that was predicted."""
    return boxes.relative(proposal.data.get("bounding_box")) or boxes.relative(proposal.bounding_box)


def _raw_image(proposal: Proposal, product: Product) -> str | None:
    """The number of the insight's picture if the product still has it."""
    image_id = proposal.image_id
    return image_id if image_id is not None and image_id.isdecimal() and image_id in product.images else None


def _selected(product: Product, key: str) -> SelectedImage | None:
    return next((image for image in product.selected_images if image.key == key), None)
