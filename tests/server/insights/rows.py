"""Rows put straight into the database, with what a test does not care for filled in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from server.db import Database

BARCODE = "0000000000123"
NOW = datetime(2024, 1, 2, 3, 4, 5)


async def add_insight(database: Database, **columns: Any) -> UUID:
    """An open category insight unless told otherwise; its id."""
    row: dict[str, Any] = {
        "id": uuid4(),
        "barcode": BARCODE,
        "type": "category",
        "value_tag": "en:soups",
        "timestamp": NOW,
        "countries": ["en:france"],
        "brands": [],
        "campaign": [],
        "source_image": "/000/000/000/0123/1.jpg",
        "with_image": True,
    } | columns
    await _insert(database, "product_insight", row)
    identity: UUID = row["id"]
    return identity


async def add_vote(database: Database, insight_id: UUID, value: int, **columns: Any) -> None:
    """A vote of some device, not tallied."""
    row = {"insight_id": insight_id, "value": value, "device_id": uuid4().hex} | columns
    await _insert(database, "annotation_vote", row)


async def add_product(
    database: Database, barcode: str = BARCODE, server_type: str = "off", **data: Any
) -> None:
    """A product of the local store with the given fields of the dump."""
    row = {"server_type": server_type, "barcode": barcode, "data": {"code": barcode, **data}}
    await _insert(database, "product", row)


async def add_prediction(database: Database, **columns: Any) -> int:
    """A category prediction unless told otherwise; its id."""
    row: dict[str, Any] = {
        "barcode": BARCODE,
        "type": "category",
        "value_tag": "en:soups",
        "timestamp": NOW,
        "automatic_processing": False,
        "predictor": "neural",
        "predictor_version": "1",
    } | columns
    identity: int = await _insert(database, "prediction", row)
    return identity


async def add_image(database: Database, image_id: str = "1", **columns: Any) -> int:
    """An image of the product; its id."""
    row: dict[str, Any] = {
        "barcode": BARCODE,
        "image_id": image_id,
        "source_image": f"/000/000/000/0123/{image_id}.jpg",
        "width": 1200,
        "height": 1600,
        "uploaded_at": NOW,
    } | columns
    identity: int = await _insert(database, "image", row)
    return identity


async def add_image_prediction(database: Database, image: int, **columns: Any) -> int:
    """A logo detection on an image; its id."""
    row: dict[str, Any] = {
        "type": "object_detection",
        "model_name": "universal_logo_detector",
        "model_version": "1",
        "data": {"objects": []},
        "timestamp": NOW,
        "image_id": image,
    } | columns
    identity: int = await _insert(database, "image_prediction", row)
    return identity


async def add_logo(database: Database, image_prediction: int, index: int = 0, **columns: Any) -> int:
    """A logo of a detection; its id."""
    row: dict[str, Any] = {
        "image_prediction_id": image_prediction,
        "index": index,
        "bounding_box": [0.1, 0.2, 0.3, 0.4],
        "score": 0.9,
        "barcode": BARCODE,
        "source_image": "/000/000/000/0123/1.jpg",
    } | columns
    identity: int = await _insert(database, "logo_annotation", row)
    return identity


async def add_node(database: Database, taxonomy: str, identity: str, **node: Any) -> None:
    """A node of a taxonomy: name={"en": ..}, synonyms={"en": [..]}, parents=[..], and properties."""
    await _insert(database, "taxonomy_node", {"taxonomy": taxonomy, "id": identity, "node": node})


async def _insert(database: Database, table: str, row: Mapping[str, Any]) -> Any:
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    key = {"product": "barcode", "taxonomy_node": "id"}.get(table, "id")
    return await database.fetchval(
        f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING {key}", *row.values()
    )
