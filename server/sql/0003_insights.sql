-- Insights: products, predictions, insights and the votes on them, images, logos, taxonomies.
-- depends: 0002_search

-- migrate: apply

-- Texts in keys compare byte by byte: the order of a language costs several times as much in every index.

-- Our own store of products, or what was last read of them from the product server.
CREATE TABLE product (
    server_type text COLLATE "C" NOT NULL,
    barcode text COLLATE "C" NOT NULL,
    -- One line of the public dump, unknown fields and all.
    data jsonb NOT NULL,
    -- Paths under the image root for questions, NULL where there is no such image: the generic one of the
    -- contract (2.5), and the selected front image.
    generic_image text,
    front_image text,
    updated_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
    -- Until then, or until that write is done, our copy knows more than the product server.
    pending_until timestamp,
    pending_mark text,
    PRIMARY KEY (server_type, barcode)
);

-- How far Product Opener's streams of events have been read.
CREATE TABLE event_stream (
    name text PRIMARY KEY,
    position text NOT NULL
);

-- Which products a brand has.
CREATE INDEX product_brands ON product USING gin ((data -> 'brands_tags'));

-- The latest change tells the state of all of them.
CREATE INDEX product_updated ON product (updated_at);

CREATE TABLE product_insight (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The order of insertion.
    number bigint GENERATED ALWAYS AS IDENTITY,
    barcode text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    timestamp timestamp,
    completed_at timestamp,
    annotation integer,
    annotated_result integer,
    n_votes integer NOT NULL DEFAULT 0,
    username text COLLATE "C",
    countries text[],
    brands text[],
    process_after timestamp,
    value_tag text COLLATE "C",
    value text,
    source_image text,
    automatic_processing boolean NOT NULL DEFAULT false,
    server_type text COLLATE "C" NOT NULL DEFAULT 'off',
    unique_scans_n integer NOT NULL DEFAULT 0,
    reserved_barcode boolean NOT NULL DEFAULT false,
    predictor text,
    predictor_version text,
    campaign text[],
    confidence double precision,
    bounding_box jsonb,
    lc text[],
    with_image boolean,
    -- Its place in random order.
    lot real NOT NULL DEFAULT random(),
    -- Whether it may be asked: nobody has decided, and nobody decides by himself.
    is_open boolean NOT NULL GENERATED ALWAYS AS (annotation IS NULL AND NOT automatic_processing) STORED
);

CREATE INDEX product_insight_barcode ON product_insight (barcode, server_type);
CREATE INDEX product_insight_number ON product_insight (number);
CREATE INDEX product_insight_value_tag ON product_insight (value_tag, number);
CREATE INDEX product_insight_popular ON product_insight (server_type, unique_scans_n DESC, id) WHERE is_open;
CREATE INDEX product_insight_type_popular ON product_insight (server_type, type, unique_scans_n DESC, id)
    WHERE is_open;
CREATE INDEX product_insight_tag_popular ON product_insight (server_type, value_tag, unique_scans_n DESC, id)
    WHERE is_open;
CREATE INDEX product_insight_predictor_popular
    ON product_insight (server_type, predictor, unique_scans_n DESC, id) WHERE is_open;
CREATE INDEX product_insight_imageless_popular ON product_insight (server_type, unique_scans_n DESC, id)
    WHERE is_open AND NOT with_image;
CREATE INDEX product_insight_confident ON product_insight (server_type, confidence DESC NULLS LAST, id)
    WHERE is_open;
CREATE INDEX product_insight_lot ON product_insight (server_type, n_votes DESC, lot) WHERE is_open;
CREATE INDEX product_insight_countries ON product_insight USING gin (countries) WHERE is_open;
CREATE INDEX product_insight_brands ON product_insight USING gin (brands) WHERE is_open;
CREATE INDEX product_insight_campaign ON product_insight USING gin (campaign) WHERE campaign <> '{}';
CREATE INDEX product_insight_lc ON product_insight USING gin (lc) WHERE lc IS NOT NULL;
CREATE INDEX product_insight_username ON product_insight (username) WHERE username IS NOT NULL;
CREATE INDEX product_insight_due ON product_insight (process_after)
    WHERE annotation IS NULL AND automatic_processing;

CREATE TABLE annotation_vote (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    insight_id uuid NOT NULL REFERENCES product_insight (id) ON DELETE CASCADE,
    username text COLLATE "C",
    value smallint NOT NULL CHECK (value IN (-1, 0, 1)),
    device_id text COLLATE "C" NOT NULL,
    timestamp timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

CREATE INDEX annotation_vote_insight ON annotation_vote (insight_id);
CREATE INDEX annotation_vote_device ON annotation_vote (device_id, insight_id);
CREATE INDEX annotation_vote_user ON annotation_vote (username, insight_id) WHERE username IS NOT NULL;

-- One vote on an open insight: no row where there is no such insight, else its annotation and what the votes
-- decide with this one among them (contract 2.3). Its row stays locked to the end of the transaction, so that
-- votes are counted one after another. A vote that decides is stored only for a caller who is `applying` it in
-- the same transaction. `once` lets a voter's last vote alone count.
CREATE FUNCTION cast_vote(insight uuid, vote integer, voter text, device text, once boolean, applying boolean)
RETURNS TABLE (annotation integer, decision integer) LANGUAGE plpgsql AS $$
DECLARE
    n_yes integer;
    n_no integer;
BEGIN
    SELECT i.annotation INTO annotation FROM product_insight AS i WHERE i.id = insight FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF annotation IS NULL THEN
        SELECT count(*) FILTER (WHERE v.value = 1), count(*) FILTER (WHERE v.value = 0) INTO n_yes, n_no
        FROM annotation_vote AS v
        WHERE v.insight_id = insight AND NOT (
            once AND CASE WHEN voter IS NULL THEN v.username IS NULL AND v.device_id = device
                          ELSE v.username IS NOT DISTINCT FROM voter END);
        n_yes := n_yes + (vote = 1)::integer;
        n_no := n_no + (vote = 0)::integer;
        decision := CASE WHEN least(n_yes, n_no) >= 2 THEN -1
                         WHEN greatest(n_yes, n_no) >= 3 THEN (n_yes > n_no)::integer END;
        IF decision IS NULL OR applying THEN
            IF once THEN
                DELETE FROM annotation_vote AS v
                WHERE v.insight_id = insight
                    AND CASE WHEN voter IS NULL THEN v.username IS NULL AND v.device_id = device
                             ELSE v.username IS NOT DISTINCT FROM voter END;
            END IF;
            INSERT INTO annotation_vote (insight_id, value, username, device_id)
            VALUES (insight, vote, voter, device);
            UPDATE product_insight AS i SET n_votes = n_yes + n_no
            WHERE i.id = insight AND i.n_votes <> n_yes + n_no;
        END IF;
    END IF;
    RETURN NEXT;
END $$;

CREATE TABLE prediction (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    barcode text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    timestamp timestamp NOT NULL,
    value_tag text COLLATE "C",
    value text,
    source_image text,
    automatic_processing boolean,
    predictor text,
    predictor_version text,
    confidence double precision,
    server_type text COLLATE "C" NOT NULL DEFAULT 'off'
);

CREATE INDEX prediction_barcode ON prediction (barcode, server_type, type);
CREATE INDEX prediction_type ON prediction (server_type, type, id);
CREATE INDEX prediction_value_tag ON prediction (value_tag, id) WHERE value_tag IS NOT NULL;

CREATE TABLE image (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    barcode text COLLATE "C" NOT NULL,
    uploaded_at timestamp,
    image_id text COLLATE "C" NOT NULL,
    source_image text COLLATE "C" NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    server_type text COLLATE "C" NOT NULL DEFAULT 'off',
    fingerprint bigint,
    UNIQUE (server_type, barcode, image_id)
);

CREATE INDEX image_barcode ON image (barcode);
CREATE INDEX image_source ON image (source_image, server_type);

CREATE TABLE image_prediction (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    type text NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    data jsonb NOT NULL,
    timestamp timestamp,
    image_id bigint NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    max_confidence double precision,
    UNIQUE (image_id, model_name)
);

CREATE INDEX image_prediction_model ON image_prediction (translate(model_name, '-', '_'), id);

CREATE TABLE logo_annotation (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    image_prediction_id bigint NOT NULL REFERENCES image_prediction (id) ON DELETE CASCADE,
    index integer NOT NULL CHECK (index >= 0),
    bounding_box jsonb NOT NULL,
    score double precision NOT NULL,
    annotation_value text,
    annotation_value_tag text,
    taxonomy_value text,
    annotation_type text,
    username text,
    completed_at timestamp,
    nearest_neighbors jsonb,
    barcode text,
    source_image text,
    text text,
    server_type text NOT NULL DEFAULT 'off',
    UNIQUE (image_prediction_id, index)
);

CREATE INDEX logo_annotation_barcode ON logo_annotation (barcode);
CREATE INDEX logo_annotation_type_value ON logo_annotation (annotation_type, annotation_value_tag);
CREATE INDEX logo_annotation_taxonomy_value ON logo_annotation (taxonomy_value);

CREATE SCHEMA embedding;

-- 512 little-endian float32, as the network gave them.
CREATE TABLE embedding.logo_embedding (
    logo_id bigint PRIMARY KEY REFERENCES logo_annotation (id) ON DELETE CASCADE,
    embedding bytea NOT NULL CHECK (length(embedding) = 2048)
);

CREATE TABLE embedding.image_embedding (
    image_id bigint PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
    embedding bytea NOT NULL CHECK (length(embedding) = 2048)
);

CREATE TABLE logo_confidence_threshold (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    type text NOT NULL,
    value text,
    threshold double precision NOT NULL,
    UNIQUE NULLS NOT DISTINCT (type, value)
);

CREATE TABLE taxonomy_node (
    taxonomy text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- {"name": {lang: text}, "synonyms": {lang: [..]}, "parents": [..], ...properties}
    node jsonb NOT NULL,
    PRIMARY KEY (taxonomy, id)
);

-- How many insights there are of each sort, so that every count is exact and costs a look-up. What changes
-- is appended to the deltas, never updated, so that writers do not wait for each other; a background task
-- folds the deltas into the tally. A count is the sum over both.
CREATE TABLE insight_tally (
    server_type text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    -- What else is counted by: '' (nothing), value_tag, country, brand, campaign, predictor, country_tag,
    -- campaign_tag.
    dimension text COLLATE "C" NOT NULL,
    -- The country, brand, campaign or predictor, else ''.
    value text COLLATE "C" NOT NULL,
    -- Only where the dimension counts by tags; NULL is the group of insights without a tag.
    value_tag text COLLATE "C",
    -- NULL: not annotated.
    annotation integer,
    automatic_processing boolean NOT NULL,
    reserved_barcode boolean NOT NULL,
    with_image boolean,
    n bigint NOT NULL,
    -- In the order of the look-ups: one sort over some types, or the tags of one type.
    UNIQUE NULLS NOT DISTINCT (server_type, dimension, value, type, value_tag, annotation,
                               automatic_processing, reserved_barcode, with_image)
);

CREATE TABLE insight_tally_delta (LIKE insight_tally);

-- Sorts that nothing belongs to any more; the fold drops them.
CREATE INDEX insight_tally_empty ON insight_tally (n) WHERE n = 0;
CREATE INDEX insight_tally_delta_sort ON insight_tally_delta (server_type, dimension, value, type, value_tag);

-- One row for every sort that an insight belongs to, also where a list names it twice.
CREATE FUNCTION insight_sorts(i product_insight)
RETURNS TABLE (dimension text, value text, value_tag text) LANGUAGE sql STABLE AS $$
    SELECT '', '', NULL::text
    UNION ALL SELECT 'value_tag', '', i.value_tag
    UNION ALL SELECT 'predictor', i.predictor, NULL WHERE i.predictor IS NOT NULL
    UNION ALL SELECT DISTINCT 'brand', b, NULL FROM unnest(i.brands) AS b WHERE b IS NOT NULL
    UNION ALL SELECT s.dimension, c, s.value_tag
        FROM (SELECT DISTINCT c FROM unnest(i.countries) AS c WHERE c IS NOT NULL),
             (VALUES ('country', NULL), ('country_tag', i.value_tag)) AS s (dimension, value_tag)
    UNION ALL SELECT s.dimension, c, s.value_tag
        FROM (SELECT DISTINCT c FROM unnest(i.campaign) AS c WHERE c IS NOT NULL),
             (VALUES ('campaign', NULL), ('campaign_tag', i.value_tag)) AS s (dimension, value_tag)
$$;

CREATE FUNCTION tally_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO insight_tally_delta
    SELECT i.server_type, i.type, s.dimension, s.value, s.value_tag,
           i.annotation, i.automatic_processing, i.reserved_barcode, i.with_image, count(*)
    FROM changed AS i, LATERAL insight_sorts(i) AS s
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
    RETURN NULL;
END $$;

CREATE FUNCTION tally_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO insight_tally_delta
    SELECT i.server_type, i.type, s.dimension, s.value, s.value_tag,
           i.annotation, i.automatic_processing, i.reserved_barcode, i.with_image, -count(*)
    FROM changed AS i, LATERAL insight_sorts(i) AS s
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
    RETURN NULL;
END $$;

CREATE FUNCTION tally_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO insight_tally_delta
    SELECT OLD.server_type, OLD.type, s.dimension, s.value, s.value_tag,
           OLD.annotation, OLD.automatic_processing, OLD.reserved_barcode, OLD.with_image, -1
    FROM insight_sorts(OLD) AS s
    UNION ALL
    SELECT NEW.server_type, NEW.type, s.dimension, s.value, s.value_tag,
           NEW.annotation, NEW.automatic_processing, NEW.reserved_barcode, NEW.with_image, 1
    FROM insight_sorts(NEW) AS s;
    RETURN NULL;
END $$;

CREATE TRIGGER tally_insert AFTER INSERT ON product_insight
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tally_added();
CREATE TRIGGER tally_delete AFTER DELETE ON product_insight
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tally_removed();
-- A vote changes nothing that is counted by, and must stay cheap.
CREATE TRIGGER tally_update AFTER UPDATE ON product_insight FOR EACH ROW
    WHEN ((OLD.server_type, OLD.type, OLD.value_tag, OLD.brands, OLD.countries, OLD.campaign, OLD.predictor,
           OLD.annotation, OLD.automatic_processing, OLD.reserved_barcode, OLD.with_image)
          IS DISTINCT FROM
          (NEW.server_type, NEW.type, NEW.value_tag, NEW.brands, NEW.countries, NEW.campaign, NEW.predictor,
           NEW.annotation, NEW.automatic_processing, NEW.reserved_barcode, NEW.with_image))
    EXECUTE FUNCTION tally_moved();

-- Moves some of the deltas into the tally; call it within a transaction, one at a time.
CREATE FUNCTION fold_insight_tally(most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
BEGIN
    WITH taken AS (
        DELETE FROM insight_tally_delta
        WHERE ctid = ANY(ARRAY(SELECT ctid FROM insight_tally_delta LIMIT most))
        RETURNING *
    ), summed AS (
        SELECT server_type, type, dimension, value, value_tag,
               annotation, automatic_processing, reserved_barcode, with_image, sum(n) AS n
        FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 HAVING sum(n) <> 0
    )
    INSERT INTO insight_tally SELECT * FROM summed
    ON CONFLICT (server_type, dimension, value, type, value_tag,
                 annotation, automatic_processing, reserved_barcode, with_image)
    DO UPDATE SET n = insight_tally.n + excluded.n;
    GET DIAGNOSTICS folded = ROW_COUNT;
    DELETE FROM insight_tally WHERE n = 0;
    RETURN folded;
END $$;

-- migrate: rollback

DROP TABLE insight_tally_delta, insight_tally;
DROP TABLE taxonomy_node, logo_confidence_threshold;
DROP SCHEMA embedding CASCADE;
DROP TABLE logo_annotation, image_prediction, image, prediction, annotation_vote;
DROP TABLE product_insight CASCADE;
DROP FUNCTION cast_vote, tally_added, tally_removed, tally_moved, fold_insight_tally;
DROP TABLE event_stream;
DROP TABLE product;
