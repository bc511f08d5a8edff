-- Assets and who holds them (B6), reviews of those who still hold some (D8), the system log (N7, D9), purging.

CREATE TABLE asset (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    status smallint NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    tag text,
    serial text,
    model text,
    account_id uuid,
    assigned_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((account_id IS NULL) = (assigned_at IS NULL))
);
CREATE UNIQUE INDEX asset_tag ON asset (organization_id, lower(tag)) WHERE tag IS NOT NULL;
CREATE INDEX asset_serial ON asset (organization_id, lower(serial)) WHERE serial IS NOT NULL;
CREATE INDEX asset_by_organization ON asset (organization_id, id);
CREATE INDEX asset_by_account ON asset (account_id) WHERE account_id IS NOT NULL;
COMMENT ON TABLE asset IS 'The register''s assets, and who holds each (B6). Written by reconciler.';
COMMENT ON COLUMN asset.status IS '1 in stock, 2 in use, 3 retired';
COMMENT ON COLUMN asset.version IS 'grows with every write';
COMMENT ON COLUMN asset.account_id IS 'the account or person who holds it, since assigned_at';

ALTER TABLE review
    DROP CONSTRAINT review_account_id_fkey,
    ADD COLUMN waits_for_assets boolean NOT NULL DEFAULT false,
    ADD COLUMN last_seen_at timestamptz;
CREATE INDEX review_by_account ON review (account_id);
CREATE INDEX review_kept ON review (connection_id, object_id) WHERE state = 'kept';
COMMENT ON COLUMN review.account_id IS 'its record may have been purged since';
COMMENT ON COLUMN review.waits_for_assets IS 'a deletion that a policy asks for, which is carried out when the last asset is returned (B6)';
COMMENT ON COLUMN review.last_seen_at IS 'when a run last saw the object in the directory, as far as that is known';

ALTER TABLE decision ADD COLUMN waits_for_assets boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN decision.waits_for_assets IS 'the deletion waits until the record''s assets are returned: a review stands for it';

CREATE TABLE system_log (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    at timestamptz NOT NULL,
    kind smallint NOT NULL,
    actor text NOT NULL,
    title text NOT NULL,
    connection_id uuid,
    connection_name text,
    run_id uuid,
    records integer NOT NULL,
    listed integer NOT NULL,
    accounts uuid[] NOT NULL,
    csv bytea NOT NULL
);
CREATE INDEX system_log_by_organization ON system_log (organization_id, id DESC);
CREATE INDEX system_log_by_run ON system_log (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX system_log_by_account ON system_log USING gin (accounts);
ALTER TABLE system_log ALTER COLUMN csv SET STORAGE EXTERNAL;
COMMENT ON TABLE system_log IS 'What was done to many records at once, and to which (N7, D9). Written by reconciler.';
COMMENT ON COLUMN system_log.kind IS '1 automatic removals, 2 reviews decided, 3 a deletion that waited for assets, 4 records purged';
COMMENT ON COLUMN system_log.connection_name IS 'as it was then';
COMMENT ON COLUMN system_log.records IS 'how many records it is about; listed: how many of them the CSV names';
COMMENT ON COLUMN system_log.accounts IS 'those of the CSV, so that purging one finds its lines';
COMMENT ON COLUMN system_log.csv IS 'packed with zstd';

CREATE INDEX audit_by_subject ON audit (organization_id, subject, id DESC);
