"""A product as the public dump describes it, and what a store of products must be able to do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from server.insights import barcodes

if TYPE_CHECKING:
    from server.db import Connection
    from server.insights.products.edits import Edit
    from server.insights.voter import Credentials


class SelectedImage(NamedTuple):
    """A picture chosen for a purpose: `key` is front_fr, `image_id` the raw picture it was cut from."""

    key: str
    image_id: str
    revision: str
    angle: int  # degrees clockwise
    crop: tuple[float, float, float, float] | None  # x1, y1, x2, y2 in pixels of the rotated full size


class Product(NamedTuple):
    """`data` is a line of the dump: unknown fields stay, and no field is sure to be there or of its type."""

    server_type: str
    barcode: str
    data: Mapping[str, Any]

    def text(self, field: str) -> str:
        """A text field without outer blanks, "" where absent."""
        value = self.data.get(field)
        return value.strip() if isinstance(value, str) else ""

    def tags(self, field: str) -> list[str]:
        """A field that is a list of texts, [] where absent."""
        value = self.data.get(field)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    @property
    def language(self) -> str:
        """The main language, "" where unknown."""
        return self.text("lang") or self.text("lc")

    @property
    def scans(self) -> int:
        """How many people scanned it, 0 where unknown."""
        value = self.data.get("unique_scans_n")
        return int(value) if isinstance(value, int | float) and 0 <= value < 2**31 else 0

    @property
    def images(self) -> Mapping[str, Any]:
        """Raw images under numbers, selected ones under keys such as front_fr."""
        value = self.data.get("images")
        return value if isinstance(value, dict) else {}

    @property
    def raw_images(self) -> list[str]:
        """The numbers of the raw images, in rising order."""
        return sorted((key for key in self.images if key.isdecimal()), key=int)

    @property
    def selected_images(self) -> list[SelectedImage]:
        """In stored order; entries without a raw picture are left out."""
        found = []
        for key, entry in self.images.items():
            if key.isdecimal() or not isinstance(entry, dict) or "imgid" not in entry:
                continue
            found.append(
                SelectedImage(
                    key,
                    str(entry["imgid"]),
                    str(entry.get("rev", "")),
                    int(_number(entry.get("angle"))) % 360,
                    _crop(entry),
                )
            )
        return found

    def size_of(self, image_id: str) -> tuple[int, int] | None:
        """Width and height of a raw picture in full size, None where unknown."""
        entry = self.images.get(image_id)
        sizes = entry.get("sizes") if isinstance(entry, dict) else None
        full = sizes.get("full") if isinstance(sizes, dict) else None
        if not isinstance(full, dict):
            return None
        width, height = int(_number(full.get("w"))), int(_number(full.get("h")))
        return (width, height) if width > 0 and height > 0 else None

    def selected_path(self, image: SelectedImage, size: str = "400") -> str:
        """The path of a selected image under the image root."""
        return f"{barcodes.folder(self.barcode)}/{image.key}.{image.revision}.{size}.jpg"

    @property
    def front_image(self) -> str | None:
        """The path of the first selected front image at 400 px."""
        return next(
            (self.selected_path(image) for image in self.selected_images if image.key.startswith("front")),
            None,
        )

    @property
    def generic_image(self) -> str | None:
        """The path of the picture that shows the product best (contract 2.5): front, ingredients, nutrition, raw."""
        selected = self.selected_images
        for kind in ("front", "ingredients", "nutrition"):
            for image in selected:
                if image.key.startswith(kind):
                    return self.selected_path(image)
        raw = self.raw_images
        return f"{barcodes.folder(self.barcode)}/{raw[-1]}.400.jpg" if raw else None


class ProductWriteFailed(Exception):
    """The product server did not take a write; nothing was recorded there as far as is known."""


class ProductsUnreadable(Exception):
    """Nobody could say whether there are products of these `barcodes`; the others that were asked for are known."""

    def __init__(self, barcodes: frozenset[str]) -> None:
        super().__init__(f"{len(barcodes)} products could not be read, {min(barcodes)} among them")
        self.barcodes = barcodes


class ImageUnknown(Exception):
    """An edit names a picture that the product does not have."""


class Products(Protocol):
    """Where products are read from, and where accepted insights are written."""

    async def get(self, server_type: str, barcode: str) -> Product | None:
        """One product; None when there is none."""

    async def many(self, server_type: str, wanted: Sequence[str]) -> dict[str, Product]:
        """The products of these barcodes that exist, each once, or `ProductsUnreadable`."""

    async def write(
        self,
        connection: Connection,
        product: Product,
        edits: Sequence[Edit],
        *,
        comment: str,
        credentials: Credentials | None,
    ) -> None:
        """Do all edits of one decision, or raise `ProductWriteFailed` or `ImageUnknown`.

        A local store writes within the caller's transaction. Without credentials the service account signs.
        """


def _number(value: object) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _crop(entry: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    corners = tuple(_number(entry.get(name)) for name in ("x1", "y1", "x2", "y2"))
    return corners if corners[2] > corners[0] and corners[3] > corners[1] else None  # type: ignore[return-value]
