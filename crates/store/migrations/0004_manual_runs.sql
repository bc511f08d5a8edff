-- Manual runs: certain users, at once, beside the connection's other runs (R1, R2). And the failed records as a work list (B8).

ALTER TABLE run
    ADD COLUMN keys text[] NOT NULL DEFAULT '{}',
    ADD COLUMN by_hand boolean NOT NULL DEFAULT false;
CREATE INDEX run_manual ON run (connection_id, created_at DESC) WHERE kind = 'manual';
COMMENT ON COLUMN run.kind IS 'full, delta, preview or manual, as asked for';
COMMENT ON COLUMN run.keys IS 'of a manual run: the users, by UPN or object id';
COMMENT ON COLUMN run.by_hand IS 'a manual run that brings its users in whatever the criteria say';

ALTER TABLE run_fetch ADD COLUMN found uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN run_fetch.found IS 'of a manual run: the object of each key, null for one that nobody has';

ALTER TABLE link ADD COLUMN brought_in smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN link.brought_in IS '0 by criteria, 1 by hand, 2 as a manager: 1 and 2 are no leavers for being out of scope';

ALTER TABLE decision ADD COLUMN brought_in smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN decision.brought_in IS 'what the link will say of it';

ALTER TABLE run_plan ADD COLUMN failed_ignored integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN run_plan.failed_ignored IS 'of failed: those that a person said to ignore; nobody is told of them';

CREATE TABLE failed_record (
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    object_id uuid NOT NULL,
    organization_id uuid NOT NULL REFERENCES organization,
    name text,
    upn text,
    reason text NOT NULL,
    first_failed_at timestamptz NOT NULL,
    last_failed_at timestamptz NOT NULL,
    last_run_id uuid NOT NULL,
    attempts integer NOT NULL,
    ignored_at timestamptz,
    ignored_by text,
    ignore_reason text,
    PRIMARY KEY (connection_id, object_id),
    CHECK ((ignored_at IS NULL) = (ignored_by IS NULL) AND (ignored_at IS NULL) = (ignore_reason IS NULL))
);
CREATE INDEX failed_record_by_organization ON failed_record (organization_id, connection_id, object_id);
COMMENT ON TABLE failed_record IS 'Records whose last outcome in an applied run is failed (B8). Written by reconciler.';
COMMENT ON COLUMN failed_record.attempts IS 'in how many runs it has failed since it last did not';
COMMENT ON COLUMN failed_record.ignored_at IS 'when a person said to ignore it; ends when it stops failing';
