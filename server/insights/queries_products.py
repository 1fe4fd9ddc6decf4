"""SQL of the product table."""

from __future__ import annotations

GET = "SELECT data FROM product WHERE server_type = $1 AND barcode = $2"
MANY = "SELECT barcode, data FROM product WHERE server_type = $1 AND barcode = ANY($2)"
LOCK = "SELECT data FROM product WHERE server_type = $1 AND barcode = $2 FOR UPDATE"
UPDATE = """
UPDATE product
SET data = $3, generic_image = $4, front_image = $5, updated_at = clock_timestamp() AT TIME ZONE 'UTC'
WHERE server_type = $1 AND barcode = $2
"""
