"""SQL of the import of predictions and of the insights that follow from them (contract 4.3, 4.4)."""

from __future__ import annotations

# How long a product may be worked on elsewhere; for this transaction only.
PATIENCE = "SELECT set_config('lock_timeout', $1, true)"
# One at a time works on a product: imports, refreshes, decisions. Always in the same order, so that no two imports
# wait for each other in a circle. The locks go with the transaction.
LOCK = """
SELECT pg_advisory_xact_lock(key)
FROM (
    SELECT DISTINCT hashtextextended($1::text || ':' || barcode, 1) AS key
    FROM unnest($2::text[]) AS barcode
    ORDER BY key OFFSET 0
) AS keys
"""

# Predictions

PREDICTIONS = """
SELECT id, barcode, type, data, value_tag, value, source_image, automatic_processing, predictor,
       predictor_version, confidence
FROM prediction WHERE server_type = $1 AND barcode = ANY($2::text[]) AND type = ANY($3::text[])
ORDER BY id
"""
ALL_PREDICTIONS = """
SELECT id, barcode, type, data, value_tag, value, source_image, automatic_processing, predictor,
       predictor_version, confidence
FROM prediction WHERE server_type = $1 AND barcode = $2
ORDER BY id
"""
DELETE_PREDICTIONS = "DELETE FROM prediction WHERE id = ANY($1::bigint[])"
TAKEN_IDS = "SELECT id FROM prediction WHERE id = ANY($1::bigint[])"
# Those that the table gives out go on behind the ones that lines bring with them.
SKIP_USED_IDS = """
SELECT setval(pg_get_serial_sequence('prediction', 'id'),
              greatest(nextval(pg_get_serial_sequence('prediction', 'id')), $1::bigint))
"""
NEW_IDS = (
    "SELECT nextval(pg_get_serial_sequence('prediction', 'id')) AS id FROM generate_series(1, $1::integer)"
)
PREDICTION_COLUMNS = (
    "id",
    "barcode",
    "type",
    "data",
    "timestamp",
    "value_tag",
    "value",
    "source_image",
    "automatic_processing",
    "predictor",
    "predictor_version",
    "confidence",
    "server_type",
)

EXPORT_PREDICTIONS = """
SELECT id, barcode, type, data, timestamp, value_tag, value, source_image, automatic_processing, predictor,
       predictor_version, confidence, server_type
FROM prediction ORDER BY id
"""

# What rules look at besides

SIZES = """
SELECT barcode, image_id, width, height FROM image
WHERE server_type = $1 AND barcode = ANY($2::text[]) AND width > 0 AND height > 0 AND NOT deleted
"""
TABLES = """
SELECT i.barcode, i.source_image, p.data -> 'objects' AS objects
FROM image_prediction AS p JOIN image AS i ON i.id = p.image_id
WHERE i.server_type = $1 AND i.barcode = ANY($2::text[]) AND NOT i.deleted
      AND replace(p.model_name, '-', '_') = 'nutrition_table'
"""
# Served by indexes: the second by the key, for barcodes of one prefix stand together.
HAS_BRAND = """
SELECT count(*) FROM product WHERE server_type = $1 AND data -> 'brands_tags' ?| $2::text[]
"""
HAS_BRAND_AND_PREFIX = """
SELECT count(*) FROM product
WHERE server_type = $1 AND barcode BETWEEN $3 || '000000' AND $3 || '999999' AND length(barcode) = 13
      AND data -> 'brands_tags' ?| $2::text[]
"""

# Insights. Their rows stay locked to the end: decisions and votes wait, and imported votes are counted afterwards.

INSIGHTS = """
SELECT id, annotation, barcode, type, data, username, countries, brands, process_after, value_tag, value,
       source_image, automatic_processing, server_type, unique_scans_n, reserved_barcode, predictor,
       predictor_version, campaign, confidence, bounding_box, lc, with_image, n_votes
FROM product_insight
WHERE barcode = ANY($2::text[]) AND server_type = $1 AND type = ANY($3::text[])
ORDER BY id FOR NO KEY UPDATE
"""
# A statement of its own, after the locks: one that waited for a lock does not see the vote it waited for.
VOTES = """
SELECT insight_id, count(*) AS votes FROM annotation_vote
WHERE insight_id = ANY($1::uuid[]) AND value <> -1
GROUP BY insight_id
"""
DELETE_INSIGHTS = "DELETE FROM product_insight WHERE id = ANY($1::uuid[]) AND annotation IS NULL"
ADD_INSIGHTS = """
INSERT INTO product_insight (
    barcode, type, data, timestamp, username, countries, brands, process_after, value_tag, value, source_image,
    automatic_processing, server_type, unique_scans_n, reserved_barcode, predictor, predictor_version, campaign,
    confidence, bounding_box, lc, with_image
)
SELECT barcode, type, data, timestamp, username, countries, brands, process_after, value_tag, value, source_image,
       automatic_processing, server_type, unique_scans_n, reserved_barcode, predictor, predictor_version, campaign,
       confidence, bounding_box, lc, with_image
FROM jsonb_to_recordset($1::jsonb) AS n (
        id uuid, barcode text, type text, data jsonb, timestamp timestamp, username text, countries text[],
        brands text[], process_after timestamp, value_tag text, value text, source_image text,
        automatic_processing boolean, server_type text, unique_scans_n integer, reserved_barcode boolean,
        predictor text, predictor_version text, campaign text[], confidence double precision, bounding_box jsonb,
        lc text[], with_image boolean, n_votes integer
    )
"""
CHANGE_INSIGHTS = """
UPDATE product_insight AS i
SET data = n.data, timestamp = n.timestamp, username = n.username, countries = n.countries, brands = n.brands,
    process_after = n.process_after, value_tag = n.value_tag, value = n.value,
    automatic_processing = n.automatic_processing, unique_scans_n = n.unique_scans_n,
    reserved_barcode = n.reserved_barcode, predictor = n.predictor, predictor_version = n.predictor_version,
    campaign = n.campaign, confidence = n.confidence, bounding_box = n.bounding_box, lc = n.lc,
    with_image = n.with_image, n_votes = n.n_votes
FROM jsonb_to_recordset($1::jsonb) AS n (
        id uuid, barcode text, type text, data jsonb, timestamp timestamp, username text, countries text[],
        brands text[], process_after timestamp, value_tag text, value text, source_image text,
        automatic_processing boolean, server_type text, unique_scans_n integer, reserved_barcode boolean,
        predictor text, predictor_version text, campaign text[], confidence double precision, bounding_box jsonb,
        lc text[], with_image boolean, n_votes integer
    )
WHERE i.id = n.id
"""
