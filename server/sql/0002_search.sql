-- Image search: collections, their items, reference images with features, tokens and tags.
-- depends: 0001_core

-- migrate: apply

CREATE TABLE search_collection (
    id uuid PRIMARY KEY,
    tenant text NOT NULL REFERENCES tenant (id),
    name text NOT NULL,
    offline boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (tenant, name)
);

CREATE INDEX search_collection_page ON search_collection (tenant, created_at, id);

CREATE TABLE search_item (
    id uuid PRIMARY KEY,
    collection uuid NOT NULL REFERENCES search_collection (id) ON DELETE CASCADE,
    name text NOT NULL,
    url text NOT NULL DEFAULT '',
    -- Bytes: any string may be stored, and text refuses the null character.
    custom bytea,
    -- Checked JSON as text: jsonb would reorder keys and refuse escaped null characters.
    content text,
    trackable boolean NOT NULL DEFAULT false,
    tags uuid[] NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    valid_from timestamptz,
    valid_to timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX search_item_page ON search_item (collection, created_at, id);
CREATE INDEX search_item_tags ON search_item USING gin (tags);

CREATE TABLE search_image (
    id uuid PRIMARY KEY,
    item uuid NOT NULL REFERENCES search_item (id) ON DELETE CASCADE,
    name text NOT NULL,
    status text NOT NULL CHECK (status IN ('OK', 'ER')),
    quality real NOT NULL,
    reasons text[] NOT NULL DEFAULT '{}',
    content_type text NOT NULL,
    -- SHA-256 of the blobs: the picture as uploaded, and its thumbnails.
    file text NOT NULL,
    thumb_60 text NOT NULL,
    thumb_120 text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX search_image_page ON search_image (item, created_at, id);
CREATE INDEX search_image_file ON search_image (file);
CREATE INDEX search_image_thumb_60 ON search_image (thumb_60);
CREATE INDEX search_image_thumb_120 ON search_image (thumb_120);

-- Apart from the image's row, which lists read: about 100 KB each, and a picture with status ER has none.
CREATE TABLE search_features (
    image uuid PRIMARY KEY REFERENCES search_image (id) ON DELETE CASCADE,
    -- (N, 4) little-endian float32: x, y, scale, angle in the picture the features were taken from.
    keypoints bytea NOT NULL,
    -- (N, 128) uint8.
    descriptors bytea NOT NULL,
    -- Its size in pixels, and the whole of it small: (thumb_height, thumb_width) uint8 gray.
    width integer NOT NULL,
    height integer NOT NULL,
    thumb bytea NOT NULL,
    thumb_width integer NOT NULL,
    thumb_height integer NOT NULL
);

-- Descriptors and pixels do not compress: do not try.
ALTER TABLE search_features ALTER COLUMN keypoints SET STORAGE EXTERNAL;
ALTER TABLE search_features ALTER COLUMN descriptors SET STORAGE EXTERNAL;
ALTER TABLE search_features ALTER COLUMN thumb SET STORAGE EXTERNAL;

CREATE TABLE search_token (
    token text PRIMARY KEY,
    collection uuid NOT NULL REFERENCES search_collection (id) ON DELETE CASCADE,
    tags uuid[] NOT NULL DEFAULT '{}',
    name text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT true,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX search_token_page ON search_token (collection, created_at, token);

CREATE TABLE search_tag (
    id uuid PRIMARY KEY,
    collection uuid NOT NULL REFERENCES search_collection (id) ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (collection, name)
);

CREATE INDEX search_tag_page ON search_tag (collection, created_at, id);

-- migrate: rollback

DROP TABLE search_tag;
DROP TABLE search_token;
DROP TABLE search_features;
DROP TABLE search_image;
DROP TABLE search_item;
DROP TABLE search_collection;
