"""The SELECTs of everything that is known about one product."""

from __future__ import annotations

from server.insights import queries_insights, queries_predictions
from server.insights.schema import Logo

LOGO_JSON = ("bounding_box", "nearest_neighbors")
LOGO_FIELDS = tuple(name for name in Logo.__struct_fields__ if name != "image")
_LOGO_COLUMNS = ", ".join(f'l."{name}"::text' if name in LOGO_JSON else f'l."{name}"' for name in LOGO_FIELDS)
_IMAGE = queries_predictions.IMAGE_COLUMNS
_WHERE = "WHERE server_type = $1 AND barcode = $2"

IMAGES = f"SELECT {_IMAGE} FROM image AS i {_WHERE} ORDER BY i.id LIMIT $3"  # noqa: S608
IMAGE_PREDICTIONS = (
    f"SELECT {queries_predictions.IMAGE_PREDICTION_COLUMNS} FROM {queries_predictions.OF_IMAGES} "  # noqa: S608
    f"{_WHERE} ORDER BY p.id LIMIT $3"
)
LOGOS = f"""
SELECT {_LOGO_COLUMNS}, {_IMAGE}
FROM image AS i
JOIN image_prediction AS p ON p.image_id = i.id
JOIN logo_annotation AS l ON l.image_prediction_id = p.id
WHERE i.server_type = $1 AND i.barcode = $2 ORDER BY l.id LIMIT $3
"""  # noqa: S608
PREDICTIONS = f"SELECT {queries_predictions.COLUMNS} FROM prediction {_WHERE} ORDER BY id LIMIT $3"  # noqa: S608
INSIGHTS = f"SELECT {queries_insights.COLUMNS} FROM product_insight {_WHERE} ORDER BY number LIMIT $3"  # noqa: S608
