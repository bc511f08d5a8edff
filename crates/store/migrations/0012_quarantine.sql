-- Connections that keep failing, and what is known of the secrets they sign in with (B17, B9).

CREATE TABLE connection_health (
    connection_id uuid PRIMARY KEY REFERENCES connection ON DELETE CASCADE,
    failures integer NOT NULL,
    quarantined_since timestamptz,
    cause text NOT NULL,
    reason text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    considered_at timestamptz NOT NULL,
    CHECK ((quarantined_since IS NULL) = (next_try_at IS NULL))
);
CREATE INDEX connection_health_quarantined ON connection_health (next_try_at) WHERE quarantined_since IS NOT NULL;
COMMENT ON TABLE connection_health IS 'A connection that fails, or is in quarantine; one without a row works (B17). Written by reconciler.';
COMMENT ON COLUMN connection_health.failures IS 'how often it failed in a row';
COMMENT ON COLUMN connection_health.cause IS 'a closed word, such as expired_secret';
COMMENT ON COLUMN connection_health.tries IS 'how often it failed in quarantine, the failure that began it included';
COMMENT ON COLUMN connection_health.considered_at IS 'when its last outcome came in; a later change of the connection, its credential, or a release is news';

CREATE TABLE connection_health_change (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    run_id uuid,
    change text NOT NULL,
    reason text NOT NULL,
    next_try_at timestamptz,
    at timestamptz NOT NULL
);
COMMENT ON TABLE connection_health_change IS 'When a connection began to fail, went into quarantine, or recovered; told once (B17). Written by reconciler.';
COMMENT ON COLUMN connection_health_change.id IS 'the id of the event that tells of it; without a run there is none on the bus, and the notifier looks here';
COMMENT ON COLUMN connection_health_change.change IS 'failing, quarantined, recovered (from quarantine) or working (after failing)';

CREATE TABLE connection_try (
    connection_id uuid PRIMARY KEY REFERENCES connection ON DELETE CASCADE,
    lease_until timestamptz NOT NULL
);
COMMENT ON TABLE connection_try IS 'Which fetcher tries a connection in quarantine just now. Written by fetcher.';

ALTER TABLE connection ADD COLUMN released_at timestamptz;
COMMENT ON COLUMN connection.released_at IS 'when a person last ended its quarantine';

ALTER TABLE connection_status
    ADD COLUMN made_by text NOT NULL DEFAULT 'run',
    ADD COLUMN warning text NOT NULL DEFAULT '';
COMMENT ON COLUMN connection_status.made_by IS 'run, person (a test that was asked for) or quarantine (a try by itself)';
COMMENT ON COLUMN connection_status.warning IS 'what is wrong although it works: one of two secrets was refused (B9)';

ALTER TABLE credential
    ADD COLUMN secret_id uuid,
    ADD COLUMN expires_on date,
    ADD COLUMN next_secret_key_id text,
    ADD COLUMN next_secret_ciphertext bytea,
    ADD COLUMN next_secret_id uuid,
    ADD COLUMN next_expires_on date,
    ADD CONSTRAINT credential_next_secret CHECK ((next_secret_key_id IS NULL) = (next_secret_ciphertext IS NULL));
UPDATE credential SET secret_id = gen_random_uuid() WHERE secret_ciphertext IS NOT NULL;
COMMENT ON COLUMN credential.secret_id IS 'made with the secret, and kept when the next one takes its place: what is known and told of it goes by this';
COMMENT ON COLUMN credential.expires_on IS 'as it was entered; what the directory tells is in credential_expiry (B9)';
COMMENT ON COLUMN credential.next_secret_ciphertext IS 'of a rotation: tried first, the other where it is refused; sealed like the other';

CREATE TABLE credential_expiry (
    credential_id uuid PRIMARY KEY REFERENCES credential ON DELETE CASCADE,
    looked_at timestamptz NOT NULL,
    secret_id uuid,
    expires_at timestamptz,
    next_secret_id uuid,
    next_expires_at timestamptz,
    note text NOT NULL DEFAULT ''
);
COMMENT ON TABLE credential_expiry IS 'When the directory says that secrets expire (B9). Written by fetcher.';
COMMENT ON COLUMN credential_expiry.looked_at IS 'when a fetcher last looked, or began to: another one waits for a day';
COMMENT ON COLUMN credential_expiry.secret_id IS 'which secret expires_at is of';
COMMENT ON COLUMN credential_expiry.note IS 'why the directory does not say it';

CREATE TABLE warning_told (
    organization_id uuid NOT NULL REFERENCES organization,
    about uuid NOT NULL,
    mark text NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, about, mark)
);
COMMENT ON TABLE warning_told IS 'Warnings that are told once: of expiring secrets, of full runs long ago (B9, R6). Written by notifier.';
COMMENT ON COLUMN warning_told.about IS 'a secret or a connection';
