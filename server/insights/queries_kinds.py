"""The SQL of import and export of rows."""

from __future__ import annotations

# Insights and votes

KNOWN_INSIGHTS = "SELECT id FROM product_insight WHERE id = ANY($1::uuid[])"
EXPORT_INSIGHTS = """
SELECT id, barcode, type, data, timestamp, completed_at, annotation, annotated_result, n_votes, username,
       countries, brands, process_after, value_tag, value, source_image, automatic_processing, server_type,
       unique_scans_n, reserved_barcode, predictor, predictor_version, campaign, confidence, bounding_box,
       lc, with_image
FROM product_insight ORDER BY number
"""
ADD_VOTES = """
INSERT INTO annotation_vote (id, insight_id, username, value, device_id, timestamp)
SELECT v.* FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::text[], $6::timestamp[])
    AS v (id, insight_id, username, value, device_id, timestamp)
WHERE EXISTS (SELECT FROM product_insight AS i WHERE i.id = v.insight_id)
ON CONFLICT (id) DO NOTHING
RETURNING id, insight_id
"""
# In the order of their ids, as every writer of several insights does it.
LOCK_INSIGHTS = "SELECT FROM product_insight WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
# A statement of its own, after the locks: one that waited for a lock does not see the votes it waited for.
COUNT_VOTES = """
UPDATE product_insight AS i
SET n_votes = (SELECT count(*) FROM annotation_vote AS v WHERE v.insight_id = i.id AND v.value <> -1)
WHERE id = ANY($1::uuid[])
"""
EXPORT_VOTES = (
    "SELECT id, insight_id, username, value, device_id, timestamp FROM annotation_vote ORDER BY timestamp, id"
)

# Images

# An id that is taken, or none, gives a new one; a known image keeps its own.
PUT_IMAGE = """
INSERT INTO image (id, barcode, uploaded_at, image_id, source_image, width, height, server_type, fingerprint)
OVERRIDING SYSTEM VALUE
VALUES (
    CASE WHEN $1::bigint IS NULL OR EXISTS (SELECT FROM image WHERE id = $1)
         THEN nextval(pg_get_serial_sequence('image', 'id')) ELSE $1 END,
    $2, $3, $4, $5, $6, $7, $8, $9
)
ON CONFLICT (server_type, barcode, image_id) DO UPDATE
SET uploaded_at = excluded.uploaded_at, source_image = excluded.source_image, width = excluded.width,
    height = excluded.height, fingerprint = excluded.fingerprint, deleted = false
RETURNING id
"""
# After rows with ids of their own: the next free ones come behind them.
SKIP_USED_IDS = """
SELECT setval(pg_get_serial_sequence($1, 'id'), greatest(nextval(pg_get_serial_sequence($1, 'id')), $2::bigint))
"""
FIND_IMAGE = "SELECT id FROM image WHERE server_type = $1 AND barcode = $2 AND image_id = $3"
# The size is not known until somebody tells it.
MAKE_IMAGE = """
INSERT INTO image (server_type, barcode, image_id, source_image, width, height, uploaded_at)
VALUES ($1, $2, $3, $4, 0, 0, NULL)
ON CONFLICT (server_type, barcode, image_id) DO UPDATE SET image_id = excluded.image_id
RETURNING id
"""
EXPORT_IMAGES = """
SELECT id, barcode, uploaded_at, image_id, source_image, width, height, deleted, server_type, fingerprint
FROM image ORDER BY id
"""
PUT_IMAGE_PREDICTION = """
INSERT INTO image_prediction (id, type, model_name, model_version, data, timestamp, image_id, max_confidence)
VALUES (
    CASE WHEN $1::bigint IS NULL OR EXISTS (SELECT FROM image_prediction WHERE id = $1)
         THEN nextval(pg_get_serial_sequence('image_prediction', 'id')) ELSE $1 END,
    $2, $3, $4, $5, $6, $7, $8
)
ON CONFLICT (image_id, model_name) DO UPDATE
SET type = excluded.type, model_version = excluded.model_version, data = excluded.data,
    timestamp = excluded.timestamp, max_confidence = excluded.max_confidence
RETURNING id
"""
EXPORT_IMAGE_PREDICTIONS = """
SELECT p.id, p.type, p.model_name, p.model_version, p.data, p.timestamp, p.max_confidence,
       i.barcode, i.server_type, i.image_id
FROM image_prediction AS p JOIN image AS i ON i.id = p.image_id ORDER BY p.id
"""

# Logos

FIND_DETECTION = "SELECT id FROM image_prediction WHERE image_id = $1 AND model_name = $2"
MAKE_DETECTION = """
INSERT INTO image_prediction (type, model_name, model_version, data, timestamp, image_id)
VALUES ('object_detection', $2, $3, '{"objects": []}', $4, $1)
ON CONFLICT (image_id, model_name) DO UPDATE SET model_name = excluded.model_name
RETURNING id
"""
PUT_LOGO = """
INSERT INTO logo_annotation (
    id, image_prediction_id, index, bounding_box, score, annotation_value, annotation_value_tag, taxonomy_value,
    annotation_type, username, completed_at, nearest_neighbors, barcode, source_image, text, server_type
)
VALUES (
    CASE WHEN $1::bigint IS NULL OR EXISTS (SELECT FROM logo_annotation WHERE id = $1)
         THEN nextval(pg_get_serial_sequence('logo_annotation', 'id')) ELSE $1 END,
    $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
)
ON CONFLICT (image_prediction_id, index) DO UPDATE
SET bounding_box = excluded.bounding_box, score = excluded.score, annotation_value = excluded.annotation_value,
    annotation_value_tag = excluded.annotation_value_tag, taxonomy_value = excluded.taxonomy_value,
    annotation_type = excluded.annotation_type, username = excluded.username,
    completed_at = excluded.completed_at, nearest_neighbors = excluded.nearest_neighbors, text = excluded.text
RETURNING id
"""
PUT_EMBEDDING = """
INSERT INTO embedding.logo_embedding (logo_id, embedding) VALUES ($1, $2)
ON CONFLICT (logo_id) DO UPDATE SET embedding = excluded.embedding
"""
EXPORT_LOGOS = """
SELECT l.id, l.index, l.bounding_box, l.score, l.annotation_value, l.annotation_value_tag, l.taxonomy_value,
       l.annotation_type, l.username, l.completed_at, l.nearest_neighbors, i.barcode, l.source_image, l.text,
       i.server_type, i.image_id, e.embedding
FROM logo_annotation AS l
JOIN image_prediction AS p ON p.id = l.image_prediction_id JOIN image AS i ON i.id = p.image_id
LEFT JOIN embedding.logo_embedding AS e ON e.logo_id = l.id
ORDER BY l.id
"""
PUT_THRESHOLD = """
INSERT INTO logo_confidence_threshold (type, value, threshold) VALUES ($1, $2, $3)
ON CONFLICT (type, value) DO UPDATE SET threshold = excluded.threshold
RETURNING id
"""
EXPORT_THRESHOLDS = "SELECT id, type, value, threshold FROM logo_confidence_threshold ORDER BY id"
