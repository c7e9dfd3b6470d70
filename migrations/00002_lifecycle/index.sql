-- serves: 0.1.0
-- What happens to a secret after it was written: versions that end, deletion and its undoing, expiry; the history of a
-- policy; and the memory of requests that were done, for `Idempotency-Key`.

ALTER TABLE secrets
  -- Versions that stay readable; 0: all of them.
  ADD COLUMN max_versions integer NOT NULL DEFAULT 10 CHECK (max_versions >= 0),
  ADD COLUMN expires_at timestamptz,
  -- Soft deletion: unreadable from then on, destroyed after SECRET_RETENTION.
  ADD COLUMN deleted_at timestamptz,
  -- Versions up to this one have expired, whatever was written since.
  ADD COLUMN expired_through integer NOT NULL DEFAULT 0,
  -- Accurate to a minute; written in the background, never by a read.
  ADD COLUMN last_accessed_at timestamptz;
CREATE INDEX secrets_deleted ON secrets (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE secret_versions
  -- The version that this one is a copy of.
  ADD COLUMN created_from integer CHECK (created_from < version),
  -- Since when nobody may read it, though it is still there: pushed out by max_versions, expired, or destroyed.
  ADD COLUMN unreadable_at timestamptz,
  ADD COLUMN destroyed_at timestamptz,
  -- A destroyed version has neither value nor wrap, so it keeps no key from being purged.
  ALTER COLUMN wrapped_key DROP NOT NULL,
  ALTER COLUMN key_id DROP NOT NULL,
  ADD CONSTRAINT secret_versions_destroyed CHECK (
    CASE WHEN destroyed_at IS NULL THEN wrapped_key IS NOT NULL AND key_id IS NOT NULL
         ELSE wrapped_key IS NULL AND key_id IS NULL AND ciphertext IS NULL AND unreadable_at IS NOT NULL END);
-- What max_versions counts, however many were destroyed before.
CREATE INDEX secret_versions_readable ON secret_versions (tenant_id, secret_id, version) WHERE unreadable_at IS NULL;
-- What the sweep destroys when its retention is over.
CREATE INDEX secret_versions_unreadable ON secret_versions (tenant_id, unreadable_at)
  WHERE unreadable_at IS NOT NULL AND destroyed_at IS NULL;

-- A policy's history outlives the policy: its last entry is then the state that was deleted, and by whom.
ALTER TABLE policy_versions
  -- The release before this one only creates.
  ADD COLUMN change text COLLATE "C" NOT NULL DEFAULT 'created'
    CHECK (change IN ('created', 'updated', 'rolled_back', 'deleted')),
  -- The version that a rollback went back to.
  ADD COLUMN from_version integer CHECK ((change = 'rolled_back') = (from_version IS NOT NULL)),
  -- Bytes, so that a page of the history has an end.
  ADD COLUMN rules_size integer NOT NULL GENERATED ALWAYS AS (octet_length(rules::text)) STORED;
CREATE INDEX policy_bindings_by_policy ON policy_bindings (tenant_id, policy_id, id);

-- One row a request that carried an Idempotency-Key, written in the change's own transaction.
CREATE TABLE idempotency (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  -- Hash of the caller's immutable subject.
  subject bytea NOT NULL CHECK (octet_length(subject) = 32),
  key text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  route text COLLATE "C" NOT NULL,
  -- HMAC over method, target, preconditions and canonical body.
  body_mac bytea NOT NULL CHECK (octet_length(body_mac) = 32),
  state text COLLATE "C" NOT NULL CHECK (state IN ('running', 'done')),
  status integer,
  -- The answer, which never holds a value, as it was: `json` keeps its members in order. Where the answer is given only
  -- once, what names the result.
  reference json,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, subject, key)
);
CREATE INDEX idempotency_expired ON idempotency (expires_at);

-- The serving roles that `scaivault migrate --app-role` has named: each migration grants them what it adds.
CREATE TABLE app_roles (
  role text COLLATE "C" PRIMARY KEY,
  named_at timestamptz NOT NULL DEFAULT now()
);
