"""SQL of the product table."""

from __future__ import annotations

# One decision or event per product at a time, until the transaction ends.
HOLD = "SELECT pg_advisory_xact_lock(hashtextextended($1::text || ':' || $2::text, 1))"
GET = "SELECT data FROM product WHERE server_type = $1 AND barcode = $2"
MANY = "SELECT barcode, data FROM product WHERE server_type = $1 AND barcode = ANY($2)"
LOCK = "SELECT data FROM product WHERE server_type = $1 AND barcode = $2 FOR UPDATE"
UPDATE = """
UPDATE product
SET data = $3, generic_image = $4, front_image = $5, updated_at = clock_timestamp() AT TIME ZONE 'UTC'
WHERE server_type = $1 AND barcode = $2
"""
# A product comes once in a batch, and batches in the order of their keys, so that two never wait for each other.
PUT_MANY = """
INSERT INTO product (server_type, barcode, data, generic_image, front_image)
SELECT t.server_type, t.barcode, t.data::jsonb, t.generic_image, t.front_image
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS t (server_type, barcode, data, generic_image, front_image)
ON CONFLICT (server_type, barcode) DO UPDATE
SET data = excluded.data, generic_image = excluded.generic_image, front_image = excluded.front_image,
    updated_at = excluded.updated_at
"""
EXPORT = """
SELECT (data || jsonb_build_object('server_type', server_type))::text AS line
FROM product ORDER BY server_type, barcode
"""
DELETE = "DELETE FROM product WHERE server_type = $1 AND barcode = $2"
