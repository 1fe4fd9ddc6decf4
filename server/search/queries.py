"""The SQL of image search.

Every list gives its page and the total in one statement: `total` in each row, and in a row of nulls when the
page is empty. Its parameters: $1 tenant, the filters in the order of `listing`, order, limit, offset.
"""

# ruff: noqa: S105 - tokens are a table here

# Collections

LIST_COLLECTIONS = """
WITH matching AS (
    SELECT id, name, offline, created_at FROM search_collection
    WHERE tenant = $1
      AND ($2::text IS NULL OR name = $2)
      AND ($3::text IS NULL OR position($3 in name) > 0)
), page AS (
    SELECT *, row_number() OVER (ORDER BY
        CASE $4 WHEN 'name' THEN name END COLLATE "C", CASE $4 WHEN '-name' THEN name END COLLATE "C" DESC,
        CASE $4 WHEN 'uuid' THEN id END, CASE $4 WHEN '-uuid' THEN id END DESC,
        CASE $4 WHEN '-created' THEN created_at END DESC, CASE $4 WHEN '-created' THEN id END DESC,
        created_at, id) AS place
    FROM matching
)
SELECT page.*, counted.total FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON page.place > $6::bigint AND page.place <= $6::bigint + $5::bigint
ORDER BY page.place
"""
GET_COLLECTION = "SELECT id, name, offline FROM search_collection WHERE id = $2 AND tenant = $1"
HOLD_COLLECTION = "SELECT id FROM search_collection WHERE id = $2 AND tenant = $1 FOR KEY SHARE"
COUNT_COLLECTIONS = "SELECT count(*) FROM search_collection WHERE tenant = $1"
ADD_COLLECTION = """
INSERT INTO search_collection (id, tenant, name, offline) VALUES ($1, $2, $3, $4) RETURNING id, name, offline
"""
CHANGE_COLLECTION = """
UPDATE search_collection SET name = coalesce($3, name), offline = coalesce($4, offline)
WHERE id = $2 AND tenant = $1 RETURNING id, name, offline
"""
DROP_COLLECTION = "DELETE FROM search_collection WHERE id = $2 AND tenant = $1 RETURNING id"
ALL_COLLECTIONS = "SELECT id FROM search_collection ORDER BY created_at, id"
COLLECTION_EXISTS = "SELECT true FROM search_collection WHERE id = $1"
# Collections are made one at a time per tenant, so that the quota holds.
LOCK_TENANT = "SELECT id FROM tenant WHERE id = $1 FOR UPDATE"

# Items

LIST_ITEMS = """
WITH matching AS (
    SELECT i.id, i.name, i.collection, i.url, i.custom, i.content, i.trackable, i.tags, i.created_at
    FROM search_item AS i JOIN search_collection AS c ON c.id = i.collection
    WHERE c.tenant = $1
      AND ($2::text IS NULL OR i.name = $2)
      AND ($3::text IS NULL OR position($3 in i.name) > 0)
      AND ($4::uuid IS NULL OR c.id = $4)
      AND ($5::text IS NULL OR c.name = $5)
      AND ($6::text IS NULL OR position($6 in c.name) > 0)
      AND ($7::text IS NULL OR i.tags && ARRAY(
            SELECT t.id FROM search_tag AS t WHERE t.collection = c.id AND t.name = $7))
      AND ($8::uuid IS NULL OR i.tags @> ARRAY[$8])
      AND ($9::boolean IS NULL OR i.trackable = $9)
      AND ($10::boolean IS NULL OR i.active = $10)
      AND ($11::text IS NULL OR i.url = $11)
      AND ($12::bytea IS NULL OR position($12 in i.custom) > 0)
), page AS (
    SELECT id, row_number() OVER (ORDER BY
        CASE $13 WHEN 'name' THEN name END COLLATE "C", CASE $13 WHEN '-name' THEN name END COLLATE "C" DESC,
        CASE $13 WHEN 'uuid' THEN id END, CASE $13 WHEN '-uuid' THEN id END DESC,
        CASE $13 WHEN '-created' THEN created_at END DESC, CASE $13 WHEN '-created' THEN id END DESC,
        created_at, id) AS place
    FROM matching
)
SELECT i.id, i.name, i.collection, i.url, i.custom, i.content, i.trackable, i.tags, page.place,
       counted.total
FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON page.place > $15::bigint AND page.place <= $15::bigint + $14::bigint
LEFT JOIN search_item AS i ON i.id = page.id
ORDER BY page.place
"""
GET_ITEM = """
SELECT i.id, i.name, i.collection, i.url, i.custom, i.content, i.trackable, i.tags
FROM search_item AS i JOIN search_collection AS c ON c.id = i.collection
WHERE i.id = $2 AND c.tenant = $1
"""
COUNT_ITEMS = "SELECT count(*) FROM search_item WHERE collection = $1"
ADD_ITEM = """
INSERT INTO search_item (id, collection, name, url, custom, content, trackable, tags)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id, name, collection, url, custom, content, trackable, tags
"""
# $5 and $7 say whether custom and content change: null is a value of theirs.
CHANGE_ITEM = """
UPDATE search_item SET
    name = coalesce($2, name),
    url = coalesce($3, url),
    custom = CASE WHEN $5 THEN $4 ELSE custom END,
    content = CASE WHEN $7 THEN $6 ELSE content END,
    trackable = coalesce($8, trackable),
    tags = coalesce($9, tags)
WHERE id = $1
RETURNING id, name, collection, url, custom, content, trackable, tags
"""
DROP_ITEM = "DELETE FROM search_item WHERE id = $1 RETURNING id"
CUSTOM = "SELECT custom FROM search_item WHERE collection = $1 AND id = $2"

# Images

LIST_IMAGES = """
WITH matching AS (
    SELECT m.id, m.item, i.collection, i.trackable, m.name, m.status, m.quality, m.created_at
    FROM search_image AS m
    JOIN search_item AS i ON i.id = m.item
    JOIN search_collection AS c ON c.id = i.collection
    WHERE c.tenant = $1
      AND ($2::text IS NULL OR m.name = $2)
      AND ($3::text IS NULL OR position($3 in m.name) > 0)
      AND ($4::uuid IS NULL OR i.id = $4)
      AND ($5::text IS NULL OR i.name = $5)
      AND ($6::text IS NULL OR position($6 in i.name) > 0)
      AND ($7::uuid IS NULL OR c.id = $7)
      AND ($8::text IS NULL OR c.name = $8)
      AND ($9::text IS NULL OR position($9 in c.name) > 0)
      AND ($10::text IS NULL OR m.status = $10)
      AND ($11::float8 IS NULL OR m.quality < $11)
      AND ($12::float8 IS NULL OR m.quality >= $12)
), page AS (
    SELECT *, row_number() OVER (ORDER BY
        CASE $13 WHEN 'name' THEN name WHEN 'status' THEN status END COLLATE "C",
        CASE $13 WHEN '-name' THEN name WHEN '-status' THEN status END COLLATE "C" DESC,
        CASE $13 WHEN 'quality' THEN quality END, CASE $13 WHEN '-quality' THEN quality END DESC,
        CASE $13 WHEN 'uuid' THEN id END, CASE $13 WHEN '-uuid' THEN id END DESC,
        CASE $13 WHEN '-created' THEN created_at END DESC, CASE $13 WHEN '-created' THEN id END DESC,
        created_at, id) AS place
    FROM matching
)
SELECT page.*, counted.total FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON page.place > $15::bigint AND page.place <= $15::bigint + $14::bigint
ORDER BY page.place
"""
GET_IMAGE = """
SELECT m.id, m.item, i.collection, i.trackable, m.name, m.status, m.quality
FROM search_image AS m
JOIN search_item AS i ON i.id = m.item
JOIN search_collection AS c ON c.id = i.collection
WHERE m.id = $2 AND c.tenant = $1
"""
COUNT_IMAGES = """
SELECT count(*) FROM search_image AS m JOIN search_item AS i ON i.id = m.item WHERE i.collection = $1
"""
COUNT_ITEM_IMAGES = "SELECT count(*) FROM search_image WHERE item = $1"
ADD_IMAGE = """
INSERT INTO search_image (id, item, name, status, quality, reasons, content_type, file, thumb_60, thumb_120)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
REPLACE_IMAGE = """
UPDATE search_image SET name = coalesce($2, name), status = $3, quality = $4, reasons = $5, content_type = $6,
    file = $7, thumb_60 = $8, thumb_120 = $9
WHERE id = $1
"""
RENAME_IMAGE = "UPDATE search_image SET name = $2 WHERE id = $1"
DROP_IMAGE = "DELETE FROM search_image WHERE id = $1 RETURNING id"
DROP_FEATURES = "DELETE FROM search_features WHERE image = $1"
ADD_FEATURES = """
INSERT INTO search_features (image, keypoints, descriptors, width, height, thumb, thumb_width, thumb_height)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
# $3: which of the blobs is wanted.
GET_BLOB = """
SELECT CASE $4::integer WHEN 60 THEN m.thumb_60 WHEN 120 THEN m.thumb_120 ELSE m.file END AS sha256,
       CASE $4 WHEN 0 THEN m.content_type ELSE 'image/jpeg' END AS content_type
FROM search_image AS m JOIN search_item AS i ON i.id = m.item
WHERE i.collection = $1 AND m.item = $2 AND m.id = $3
"""
# The blobs of what is about to be deleted.
BLOBS_OF_ITEM = "SELECT file, thumb_60, thumb_120 FROM search_image WHERE item = $1"
BLOBS_OF_IMAGE = "SELECT file, thumb_60, thumb_120 FROM search_image WHERE id = $1"
BLOBS_OF_COLLECTION = """
SELECT m.file, m.thumb_60, m.thumb_120 FROM search_image AS m JOIN search_item AS i ON i.id = m.item
WHERE i.collection = $1
"""

UNUSED = """
SELECT blob FROM unnest($1::text[]) AS blob WHERE NOT EXISTS (
    SELECT FROM search_image AS m WHERE m.file = blob OR m.thumb_60 = blob OR m.thumb_120 = blob)
"""

# Tokens

LIST_TOKENS = """
WITH matching AS (
    SELECT t.token, t.collection, t.tags, t.created_at
    FROM search_token AS t JOIN search_collection AS c ON c.id = t.collection
    WHERE c.tenant = $1
      AND ($2::uuid IS NULL OR c.id = $2)
      AND ($3::text IS NULL OR c.name = $3)
      AND ($4::text IS NULL OR position($4 in c.name) > 0)
), page AS (
    SELECT *, row_number() OVER (ORDER BY
        CASE $5 WHEN 'uuid' THEN token END COLLATE "C", CASE $5 WHEN '-uuid' THEN token END COLLATE "C" DESC,
        CASE $5 WHEN '-created' THEN created_at END DESC,
        CASE $5 WHEN '-created' THEN token END COLLATE "C" DESC,
        created_at, token COLLATE "C") AS place
    FROM matching
)
SELECT page.*, counted.total FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON page.place > $7::bigint AND page.place <= $7::bigint + $6::bigint
ORDER BY page.place
"""
GET_TOKEN = """
SELECT t.token, t.collection, t.tags
FROM search_token AS t JOIN search_collection AS c ON c.id = t.collection
WHERE t.token = $2 AND c.tenant = $1
"""
ADD_TOKEN = """
INSERT INTO search_token (token, collection, tags) VALUES ($1, $2, $3) RETURNING token, collection, tags
"""
CHANGE_TOKEN = """
UPDATE search_token SET tags = coalesce($2, tags) WHERE token = $1 RETURNING token, collection, tags
"""
DROP_TOKEN = "DELETE FROM search_token WHERE token = $1"
# Read-your-writes: with the token comes the number of the latest change that a search must have seen.
OPEN_TOKEN = """
SELECT t.token, t.collection, t.tags, coalesce(p.sequence, 0) AS sequence
FROM search_token AS t LEFT JOIN change_topic AS p
  ON p.topic = 'search/' || replace(t.collection::text, '-', '')
WHERE t.token = $1 AND t.enabled AND (t.expires_at IS NULL OR t.expires_at > now())
"""

# Tags

LIST_TAGS = """
WITH matching AS (
    SELECT t.id, t.name, t.collection, t.created_at
    FROM search_tag AS t JOIN search_collection AS c ON c.id = t.collection
    WHERE c.tenant = $1
      AND ($2::text IS NULL OR t.name = $2)
      AND ($3::text IS NULL OR position($3 in t.name) > 0)
      AND ($4::uuid IS NULL OR c.id = $4)
), page AS (
    SELECT *, row_number() OVER (ORDER BY
        CASE $5 WHEN 'name' THEN name END COLLATE "C", CASE $5 WHEN '-name' THEN name END COLLATE "C" DESC,
        CASE $5 WHEN 'uuid' THEN id END, CASE $5 WHEN '-uuid' THEN id END DESC,
        CASE $5 WHEN '-created' THEN created_at END DESC, CASE $5 WHEN '-created' THEN id END DESC,
        created_at, id) AS place
    FROM matching
)
SELECT page.*, counted.total FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON page.place > $7::bigint AND page.place <= $7::bigint + $6::bigint
ORDER BY page.place
"""
GET_TAG = """
SELECT t.id, t.name, t.collection FROM search_tag AS t JOIN search_collection AS c ON c.id = t.collection
WHERE t.id = $2 AND c.tenant = $1
"""
ADD_TAG = "INSERT INTO search_tag (id, collection, name) VALUES ($1, $2, $3) RETURNING id, name, collection"
CHANGE_TAG = "UPDATE search_tag SET name = coalesce($2, name) WHERE id = $1 RETURNING id, name, collection"
DROP_TAG = "DELETE FROM search_tag WHERE id = $1"
UNLINK_ITEMS = """
UPDATE search_item SET tags = array_remove(tags, $2)
WHERE collection = $1 AND tags @> ARRAY[$2::uuid]
"""
UNLINK_TOKENS = """
UPDATE search_token SET tags = array_remove(tags, $2) WHERE collection = $1 AND tags @> ARRAY[$2::uuid]
"""
TAGS_IN = "SELECT id FROM search_tag WHERE collection = $1 AND id = ANY($2::uuid[]) FOR SHARE"
# A tag in a search form is a name or a uuid.
TAGS_NAMED = """
SELECT id FROM search_tag WHERE collection = $1 AND (name = ANY($2::text[]) OR id = ANY($3::uuid[]))
"""

# Search

# What searching needs to know of an item; the times make windows of validity.
ITEM_STATES = """
SELECT id, tags, active, valid_from, valid_to FROM search_item WHERE collection = $1 AND id = ANY($2::uuid[])
"""
ALL_ITEM_STATES = "SELECT id, tags, active, valid_from, valid_to FROM search_item WHERE collection = $1"
FEATURES = """
SELECT m.id, m.item, f.keypoints, f.descriptors, f.thumb, f.thumb_width, f.thumb_height, f.width, f.height
FROM search_features AS f JOIN search_image AS m ON m.id = f.image JOIN search_item AS i ON i.id = m.item
WHERE i.collection = $1 AND m.id = ANY($2::uuid[]) AND m.status = 'OK'
ORDER BY m.created_at, m.id
"""
# The same without the largest column, which a snapshot has.
FEATURES_WITHOUT_DESCRIPTORS = FEATURES.replace("f.descriptors", "''::bytea AS descriptors")
ALL_IMAGE_IDS = """
SELECT m.id FROM search_image AS m JOIN search_item AS i ON i.id = m.item
WHERE i.collection = $1 AND m.status = 'OK' ORDER BY m.created_at, m.id
"""
FOUND_ITEMS = """
SELECT i.id, i.name, i.url, i.custom, i.content, i.trackable,
       ARRAY(SELECT m.id FROM search_image AS m WHERE m.item = i.id ORDER BY m.created_at, m.id) AS images
FROM search_item AS i WHERE i.collection = $1 AND i.id = ANY($2::uuid[])
"""
