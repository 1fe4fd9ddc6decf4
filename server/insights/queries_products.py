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

# Copies of a product server's products

COPY = """
SELECT data, updated_at > clock_timestamp() AT TIME ZONE 'UTC' - $3::interval AS is_fresh,
       coalesce(pending_until > clock_timestamp() AT TIME ZONE 'UTC', false) AS is_pending
FROM product WHERE server_type = $1 AND barcode = $2
"""
COPIES = """
SELECT barcode, data, updated_at > clock_timestamp() AT TIME ZONE 'UTC' - $3::interval AS is_fresh,
       coalesce(pending_until > clock_timestamp() AT TIME ZONE 'UTC', false) AS is_pending
FROM product WHERE server_type = $1 AND barcode = ANY($2)
"""
# A decision that holds the row will change it, and may be what asks; unsent edits must not get lost.
IS_HELD = """
SELECT EXISTS (SELECT FROM product WHERE server_type = $1 AND barcode = $2)
   AND NOT EXISTS (
       SELECT FROM product
       WHERE server_type = $1 AND barcode = $2
             AND coalesce(pending_until <= clock_timestamp() AT TIME ZONE 'UTC', true)
       FOR UPDATE SKIP LOCKED
   )
"""
# Old enough to be read anew; a mark says that the server does not know of the edits yet.
EDIT_COPY = """
UPDATE product
SET data = $3, updated_at = 'epoch', pending_mark = $4,
    pending_until = CASE WHEN $4::text IS NULL THEN NULL
                         ELSE clock_timestamp() AT TIME ZONE 'UTC' + $5::interval END
WHERE server_type = $1 AND barcode = $2
"""
SENT = """
UPDATE product SET pending_until = NULL, pending_mark = NULL
WHERE server_type = $1 AND barcode = $2 AND pending_mark = $3
"""
DROP_COPY = "DELETE FROM product WHERE server_type = $1 AND barcode = $2 AND pending_until IS NULL"
