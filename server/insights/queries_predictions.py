"""The SELECTs of predictions and image predictions; the columns stand in the order of `schema`."""

from __future__ import annotations

from server.insights.schema import Image, Prediction

COLUMNS = ", ".join("data::text AS data" if name == "data" else name for name in Prediction.__struct_fields__)
IMAGE_COLUMNS = ", ".join(f"i.{name}" for name in Image.__struct_fields__)
IMAGE_PREDICTION_COLUMNS = (
    f"p.id, p.type, p.model_name, p.model_version, p.data::text AS data, p.timestamp, p.max_confidence, "
    f"{IMAGE_COLUMNS}"
)
OF_IMAGES = "image_prediction AS p JOIN image AS i ON i.id = p.image_id"
HAS_LOGO = "EXISTS (SELECT FROM logo_annotation AS l WHERE l.image_prediction_id = p.id)"

PAGE = f"SELECT {COLUMNS} FROM prediction WHERE {{where}} ORDER BY id LIMIT {{count}} OFFSET {{offset}}"  # noqa: S608
COUNT = "SELECT count(*) FROM prediction WHERE {where}"
IMAGE_PAGE = (
    f"SELECT {IMAGE_PREDICTION_COLUMNS} FROM {OF_IMAGES} "  # noqa: S608
    "WHERE {where} ORDER BY p.id LIMIT {count} OFFSET {offset}"
)
IMAGE_COUNT = f"SELECT count(*) FROM {OF_IMAGES} WHERE {{where}}"  # noqa: S608

# Items whose image is not known, or is deleted, are left out.
PUT_IMAGE_PREDICTIONS = """
INSERT INTO image_prediction (image_id, type, model_name, model_version, data, max_confidence, timestamp)
SELECT i.id, n.type, n.model_name, n.model_version, n.data::jsonb, n.max_confidence,
       clock_timestamp() AT TIME ZONE 'UTC'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::float8[])
    WITH ORDINALITY
    AS n (server_type, barcode, image_name, type, model_name, model_version, data, max_confidence, place)
JOIN image AS i ON i.server_type = n.server_type AND i.barcode = n.barcode AND i.image_id = n.image_name
WHERE NOT i.deleted
ORDER BY n.place
ON CONFLICT (image_id, model_name) DO UPDATE
SET type = excluded.type, model_version = excluded.model_version, data = excluded.data,
    timestamp = excluded.timestamp, max_confidence = excluded.max_confidence
"""
