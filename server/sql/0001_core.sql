-- Keys and tenants, the change sequence.
-- depends:

-- migrate: apply

CREATE TABLE tenant (
    id text PRIMARY KEY,
    options jsonb NOT NULL DEFAULT '{}',
    webhook_secret text NOT NULL,
    -- Both secrets sign until this moment, so that receivers can change over.
    previous_webhook_secret text,
    previous_valid_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_key (
    id text PRIMARY KEY,
    tenant text NOT NULL REFERENCES tenant (id),
    product text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    secret_sha256 bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX api_key_tenant ON api_key (tenant);

CREATE TABLE change_topic (
    topic text PRIMARY KEY,
    sequence bigint NOT NULL
);

CREATE TABLE change (
    topic text NOT NULL,
    key text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (topic, key)
);

CREATE INDEX change_sequence ON change (topic, sequence);

-- Which version of the job queue's library made its tables.
CREATE TABLE job_schema (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version text NOT NULL
);

-- migrate: rollback

DROP TABLE job_schema;
DROP TABLE change;
DROP TABLE change_topic;
DROP TABLE api_key;
DROP TABLE tenant;
