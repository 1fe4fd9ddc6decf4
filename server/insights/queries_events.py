"""SQL of what happens to products, images and logos (contract 4.6).

`queries_products.HOLD` comes first, as where decisions are made, so that no two wait for each other.
"""

from __future__ import annotations

DELETE_INSIGHTS = """
DELETE FROM product_insight WHERE barcode = $2 AND server_type = $1 AND annotation IS NULL
"""
DELETE_PREDICTIONS = "DELETE FROM prediction WHERE barcode = $2 AND server_type = $1"
DELETE_IMAGE_INSIGHTS = """
DELETE FROM product_insight
WHERE barcode = $2 AND server_type = $1 AND source_image = $3 AND annotation IS NULL
"""
DELETE_IMAGE_PREDICTIONS_OF = """
DELETE FROM prediction WHERE barcode = $2 AND server_type = $1 AND source_image = $3
"""

LOCK_IMAGES = """
SELECT id, image_id, deleted FROM image WHERE server_type = $1 AND barcode = $2 ORDER BY id FOR UPDATE
"""
LOCK_IMAGE = """
SELECT id, source_image FROM image WHERE server_type = $1 AND barcode = $2 AND image_id = $3 FOR UPDATE
"""
IMAGE_KEY = "SELECT server_type, barcode, image_id FROM image WHERE id = $1"
FLAG_IMAGE = "UPDATE image SET deleted = true WHERE id = $1"
DELETE_IMAGES = "DELETE FROM image WHERE id = ANY($1)"
# A new image, or a known one whose size or time is told now; nothing known is lost.
PUT_IMAGE = """
INSERT INTO image (server_type, barcode, image_id, source_image, width, height, uploaded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (server_type, barcode, image_id) DO UPDATE
SET width = CASE WHEN excluded.width > 0 THEN excluded.width ELSE image.width END,
    height = CASE WHEN excluded.height > 0 THEN excluded.height ELSE image.height END,
    uploaded_at = coalesce(image.uploaded_at, excluded.uploaded_at), deleted = false
RETURNING id
"""
LOGOS_OF_IMAGES = """
SELECT l.id FROM logo_annotation AS l JOIN image_prediction AS p ON p.id = l.image_prediction_id
WHERE p.image_id = ANY($1)
"""
# Logos and their embeddings go with them.
DELETE_DETECTIONS = "DELETE FROM image_prediction WHERE image_id = ANY($1)"
DELETE_IMAGE_EMBEDDINGS = "DELETE FROM embedding.image_embedding WHERE image_id = ANY($1)"

LOGO = """
SELECT l.id, i.server_type, i.barcode
FROM logo_annotation AS l
JOIN image_prediction AS p ON p.id = l.image_prediction_id JOIN image AS i ON i.id = p.image_id
WHERE l.id = $1
"""
DELETE_LOGO = "DELETE FROM logo_annotation WHERE id = $1"
DELETE_LOGO_INSIGHTS = """
DELETE FROM product_insight
WHERE barcode = $2 AND server_type = $1 AND annotation IS NULL AND type IN ('brand', 'label')
      AND predictor = 'universal-logo-detector' AND data->>'logo_id' = $3
"""
DELETE_LOGO_PREDICTIONS = """
DELETE FROM prediction
WHERE barcode = $2 AND server_type = $1 AND type IN ('brand', 'label')
      AND predictor = 'universal-logo-detector' AND data->>'logo_id' = $3
"""
# Where else something is known of a product; the producers' platform has barcodes of its own.
OTHER_SERVER_TYPES = """
SELECT DISTINCT server_type FROM (
    SELECT server_type FROM product WHERE barcode = $1
    UNION ALL SELECT server_type FROM prediction WHERE barcode = $1
    UNION ALL SELECT server_type FROM image WHERE barcode = $1
    UNION ALL SELECT server_type FROM product_insight WHERE barcode = $1 AND annotation IS NULL
) AS known
WHERE server_type NOT IN ($2, 'off_pro') ORDER BY server_type
"""
MOVE_PRODUCT = """
INSERT INTO product (server_type, barcode, data, generic_image, front_image)
SELECT $3, barcode, data, generic_image, front_image FROM product WHERE server_type = $1 AND barcode = $2
ON CONFLICT DO NOTHING
"""
