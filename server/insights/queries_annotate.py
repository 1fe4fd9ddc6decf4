"""The statements of votes and decisions."""

# See the function in the schema: no row without such an insight.
CAST_VOTE = "SELECT annotation, decision FROM cast_vote($1, $2, $3, $4, $5, $6)"

# Everything that changes a product waits here first, so that two decisions about one product neither lose an
# edit nor wait for each other in a circle.
LOCK_PRODUCT = """
SELECT pg_advisory_xact_lock(hashtextextended(server_type || ':' || barcode, 1))
FROM product_insight WHERE id = $1
"""

LOCK_INSIGHT = """
SELECT id, barcode, server_type, type, value_tag, value, source_image, data, bounding_box, annotation
FROM product_insight WHERE id = $1 FOR NO KEY UPDATE
"""

DECIDE = """
UPDATE product_insight
SET annotation = $2, username = $3, annotated_result = $4,
    completed_at = clock_timestamp() AT TIME ZONE 'UTC'
WHERE id = $1
"""

KEEP_DATA = "UPDATE product_insight SET data = $2 WHERE id = $1"

# What a user names instead takes the place of what was proposed.
KEEP_TAG = "UPDATE product_insight SET data = $2, value_tag = $3, value = NULL WHERE id = $1"

IMAGE_SIZE = """
SELECT width, height FROM image
WHERE server_type = $1 AND barcode = $2 AND image_id = $3 AND NOT deleted AND width > 0 AND height > 0
"""

ROTATION = """
SELECT data -> 'rotation' FROM prediction
WHERE barcode = $1 AND server_type = $2 AND type = 'image_orientation' AND source_image = $3
ORDER BY id DESC LIMIT 1
"""

NUTRITION_TABLES = """
SELECT p.data -> 'objects'
FROM image_prediction AS p JOIN image AS i ON i.id = p.image_id
WHERE i.server_type = $1 AND i.barcode = $2 AND i.image_id = $3 AND NOT i.deleted
    AND replace(p.model_name, '-', '_') = 'nutrition_table'
ORDER BY p.id DESC LIMIT 1
"""

# One worker at a time; the lock goes with the transaction.
TAKE_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('insights: automatic', 1))"

DUE = """
SELECT id FROM product_insight
WHERE annotation IS NULL AND automatic_processing
    AND process_after <= clock_timestamp() AT TIME ZONE 'UTC'
ORDER BY process_after, id LIMIT $1
"""

POSTPONE = """
UPDATE product_insight
SET process_after = clock_timestamp() AT TIME ZONE 'UTC' + make_interval(secs => $2)
WHERE id = $1 AND annotation IS NULL
"""
