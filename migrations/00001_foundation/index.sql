-- serves: 0.1.0
-- The foundation: installation, keys, tenants, identities, policies, secrets, audit.
--
-- Every tenant-owned table's primary key begins with tenant_id, and foreign keys between such tables are composite, so
-- that no row can point into another tenant. Text that is compared for order or equality is COLLATE "C": an index range
-- scan serves a listing by prefix, and no locale can make two spellings equal.

CREATE TABLE installation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  id text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------- keys

CREATE TABLE root_keys (
  id text COLLATE "C" PRIMARY KEY,
  version integer NOT NULL UNIQUE CHECK (version > 0),
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  -- HMAC under the version before: null for the first only, which is taken on first use.
  succession bytea CHECK ((version = 1) = (succession IS NULL)),
  state text COLLATE "C" NOT NULL CHECK (state IN ('active', 'retiring', 'retired', 'purgeable', 'gone')),
  created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX root_keys_one_active ON root_keys (state) WHERE state = 'active';

CREATE TABLE root_key_wraps (
  root_key_id text COLLATE "C" NOT NULL REFERENCES root_keys ON DELETE RESTRICT,
  recipient text COLLATE "C" NOT NULL, -- kms:primary, kms:secondary, age:<recipient>
  provider text COLLATE "C" NOT NULL,
  key_ref text COLLATE "C" NOT NULL,
  ciphertext bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_key_id, recipient)
);

CREATE TABLE partners (
  partner_id text COLLATE "C" PRIMARY KEY CHECK (partner_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenants (
  tenant_id text COLLATE "C" PRIMARY KEY CHECK (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  partner_id text COLLATE "C" NOT NULL REFERENCES partners,
  -- Raised by every change of policies and bindings, and of roles and memberships: a decision made under other
  -- numbers is made again.
  policy_epoch bigint NOT NULL DEFAULT 1,
  subject_epoch bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, partner_id)
);

CREATE TABLE partner_keys (
  partner_id text COLLATE "C" NOT NULL REFERENCES partners ON DELETE RESTRICT,
  id text COLLATE "C" NOT NULL UNIQUE,
  version integer NOT NULL CHECK (version > 0),
  root_key_id text COLLATE "C" NOT NULL REFERENCES root_keys ON DELETE RESTRICT,
  wrapped_key bytea NOT NULL,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  state text COLLATE "C" NOT NULL CHECK (state IN ('active', 'retiring', 'retired', 'purgeable', 'gone')),
  -- MAC under the parent key over (owner, id, version, 'active'): what makes it the one to write with.
  active_mac bytea CHECK ((state = 'active') = (active_mac IS NOT NULL)),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partner_id, id),
  UNIQUE (partner_id, version)
);
CREATE UNIQUE INDEX partner_keys_one_active ON partner_keys (partner_id) WHERE state = 'active';
CREATE INDEX partner_keys_by_root ON partner_keys (root_key_id);

CREATE TABLE tenant_keys (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL UNIQUE,
  version integer NOT NULL CHECK (version > 0),
  partner_id text COLLATE "C" NOT NULL,
  partner_key_id text COLLATE "C" NOT NULL,
  wrapped_key bytea NOT NULL,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  state text COLLATE "C" NOT NULL CHECK (state IN ('active', 'retiring', 'retired', 'purgeable', 'gone')),
  active_mac bytea CHECK ((state = 'active') = (active_mac IS NOT NULL)),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, version),
  FOREIGN KEY (tenant_id, partner_id) REFERENCES tenants (tenant_id, partner_id) ON DELETE RESTRICT,
  FOREIGN KEY (partner_id, partner_key_id) REFERENCES partner_keys (partner_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX tenant_keys_one_active ON tenant_keys (tenant_id) WHERE state = 'active';
CREATE INDEX tenant_keys_by_partner_key ON tenant_keys (partner_id, partner_key_id);

-- One row an event of a key's life; never changed, never deleted, so it outlives the key.
CREATE TABLE key_history (
  key_id text COLLATE "C" NOT NULL,
  event text COLLATE "C" NOT NULL CHECK (event IN ('created', 'activated', 'retiring', 'retired', 'purged')),
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('root', 'partner', 'tenant')),
  owner_id text COLLATE "C" NOT NULL, -- installation, partner or tenant id
  version integer NOT NULL,
  fingerprint bytea NOT NULL,
  wrapped_by text COLLATE "C" NOT NULL, -- id of the parent key, or the provider's key reference
  actor text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (key_id, event)
);

-- ---------------------------------------------------------------------------------------------------- identities

-- Subjects that a verified token or the identity provider has shown, so that a readable name can be resolved.
CREATE TABLE identities (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  issuer text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('user', 'service_account', 'group')),
  subject_id text COLLATE "C" NOT NULL,
  -- Verified, ASCII lower case; null where the provider does not vouch for one.
  email text COLLATE "C",
  display_name text NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, issuer, kind, subject_id)
);
CREATE INDEX identities_by_email ON identities (tenant_id, email) WHERE email IS NOT NULL;

-- Local roles: a grant adds to what a token claims, a revocation beats it.
CREATE TABLE role_grants (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants ON DELETE RESTRICT, -- the subject's home tenant
  issuer text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('user', 'service_account')),
  subject_id text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL CHECK (role IN ('auditor', 'tenant_admin', 'partner_admin', 'super_admin')),
  effect text COLLATE "C" NOT NULL CHECK (effect IN ('grant', 'revoke')),
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, issuer, kind, subject_id, role)
);

-- The first super_admin, once in the life of the database: the row is written when it is made and never removed.
CREATE TABLE first_super_admin (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  issuer text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  subject_id text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- ------------------------------------------------------------------------------------------------------- policies

CREATE TABLE policies (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,127}$'),
  description text NOT NULL DEFAULT '',
  scope text COLLATE "C" NOT NULL CHECK (scope IN ('tenant', 'partner')),
  is_active boolean NOT NULL DEFAULT true,
  version integer NOT NULL DEFAULT 1,
  rules jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT policies_name_taken UNIQUE (tenant_id, name)
);

-- Every state that a policy has had.
CREATE TABLE policy_versions (
  tenant_id text COLLATE "C" NOT NULL,
  policy_id text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  name text COLLATE "C" NOT NULL,
  description text NOT NULL,
  is_active boolean NOT NULL,
  rules jsonb NOT NULL,
  changed_by text COLLATE "C" NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, policy_id, version)
);

CREATE TABLE policy_bindings (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  policy_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('user', 'service_account', 'group')),
  subject_issuer text COLLATE "C" NOT NULL,
  subject_tenant text COLLATE "C" NOT NULL,
  subject_id text COLLATE "C" NOT NULL,
  -- As it was asked for; for people only, never matched.
  display_name text NOT NULL,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id) ON DELETE RESTRICT,
  CONSTRAINT policy_bindings_once UNIQUE (tenant_id, policy_id, kind, subject_issuer, subject_tenant, subject_id)
);

-- -------------------------------------------------------------------------------------------------------- secrets

CREATE TABLE secrets (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  id text COLLATE "C" NOT NULL,
  path text COLLATE "C" NOT NULL
    CHECK (path ~ '^[a-z0-9_-]+(/[a-z0-9_-]+){0,9}$' AND length(path) <= 512),
  secret_type text COLLATE "C" NOT NULL CHECK (secret_type IN ('kv', 'json', 'certificate', 'ssh_key', 'api_key')),
  current_version integer NOT NULL CHECK (current_version > 0),
  description text NOT NULL DEFAULT '',
  tags text[] COLLATE "C" NOT NULL DEFAULT '{}',
  owner text NOT NULL DEFAULT '',
  custom jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT secrets_path UNIQUE (tenant_id, path)
);

CREATE TABLE secret_versions (
  tenant_id text COLLATE "C" NOT NULL,
  secret_id text COLLATE "C" NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  -- Envelope: format version, nonce, ciphertext, tag. Null when the value lies in an object store.
  ciphertext bytea,
  -- The data key, wrapped by the tenant key `key_id`.
  wrapped_key bytea NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, secret_id, version),
  FOREIGN KEY (tenant_id, secret_id) REFERENCES secrets (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, key_id) REFERENCES tenant_keys (tenant_id, id) ON DELETE RESTRICT
);
CREATE INDEX secret_versions_by_key ON secret_versions (tenant_id, key_id);

-- ---------------------------------------------------------------------------------------------------------- audit

CREATE TABLE audit_log (
  tenant_id text COLLATE "C" NOT NULL,
  "timestamp" timestamptz NOT NULL,
  id text COLLATE "C" NOT NULL,
  partner_id text COLLATE "C",
  action text COLLATE "C" NOT NULL,
  secret_path text COLLATE "C",
  resource text COLLATE "C",
  identity_type text COLLATE "C",
  identity_id text COLLATE "C",
  on_behalf_of text COLLATE "C",
  source_ip text COLLATE "C",
  user_agent text,
  success boolean NOT NULL,
  error_code text COLLATE "C",
  duration_ms double precision NOT NULL,
  request_id text COLLATE "C",
  version integer,
  decision jsonb,
  extra_data jsonb NOT NULL DEFAULT '{}',
  instance_id text COLLATE "C" NOT NULL,
  chain_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  salt bytea NOT NULL CHECK (octet_length(salt) = 16),
  prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
  leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  -- Readers stay below the oldest transaction that still runs, so that no row appears behind a cursor.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (tenant_id, "timestamp", id)
) PARTITION BY RANGE ("timestamp");
CREATE INDEX audit_log_chain ON audit_log (chain_id, seq);

-- Catches what no partition covers, so that no entry is refused; an operator is told when it is not empty.
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;

-- Makes the partitions of this month and the given number of months ahead (1 to 120). The serving role has no DDL: it
-- calls this, which runs as the owner and can make nothing but partitions of audit_log.
CREATE FUNCTION audit_ensure_partitions(months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
  first date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
  from_day date;
  made integer := 0;
  part text;
BEGIN
  IF months < 1 OR months > 120 THEN
    RAISE EXCEPTION 'audit_ensure_partitions: months must be between 1 and 120';
  END IF;
  -- Replicas that start together would each find the partition missing.
  PERFORM pg_advisory_xact_lock(hashtextextended('scaivault:audit_partitions', 0));
  FOR i IN 0..months LOOP
    from_day := (first + make_interval(months => i))::date;
    part := 'audit_log_' || to_char(from_day, 'YYYYMM');
    IF to_regclass(part) IS NULL THEN
      EXECUTE format(
        'CREATE TABLE %I PARTITION OF audit_log FOR VALUES FROM (%L) TO (%L)',
        part,
        to_char(from_day, 'YYYY-MM-DD') || ' 00:00:00+00',
        to_char((from_day + interval '1 month')::date, 'YYYY-MM-DD') || ' 00:00:00+00'
      );
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END
$$;
-- A SECURITY DEFINER function must not look names up where its caller says (CVE-2018-1058).
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION audit_ensure_partitions(integer) SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION audit_ensure_partitions(integer) FROM PUBLIC;
SELECT audit_ensure_partitions(12);
