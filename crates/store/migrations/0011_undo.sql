-- Runs that can be taken back (B4): what stood there before a run, where its decisions don't tell, and runs that take back.
--
-- A decision keeps the old values of the fields that it changes. What it does not keep is rare, and kept here: the standing
-- of accounts that a run deactivates, deletes or activates, and the links that it changes in more than their hash. An
-- account that a run adds needs neither.

ALTER TABLE run
    ADD COLUMN reverts uuid REFERENCES run ON DELETE CASCADE,
    ADD COLUMN revert_objects uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN revert_reason text,
    ADD COLUMN dry_run boolean NOT NULL DEFAULT false;
CREATE INDEX run_reverts ON run (reverts) WHERE reverts IS NOT NULL;
COMMENT ON COLUMN run.kind IS 'full, delta, preview or manual, as asked for; or revert, which reads nothing';
COMMENT ON COLUMN run.reverts IS 'the run that this one takes back; all reverts have one, and nothing else has';
COMMENT ON COLUMN run.revert_objects IS 'of a revert: the objects whose records it takes back; empty for all';
COMMENT ON COLUMN run.dry_run IS 'of a revert: it stops with its plan';

ALTER TABLE run_plan ADD COLUMN keeps_former boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN run_plan.keeps_former IS 'whether former_account and former_link tell all that it changed; not of plans from before these were there';

CREATE TABLE former_account (
    run_id uuid NOT NULL,
    account_id uuid NOT NULL,
    status smallint NOT NULL,
    deactivated_for smallint NOT NULL,
    new_status smallint NOT NULL,
    new_deactivated_for smallint NOT NULL,
    PRIMARY KEY (run_id, account_id)
);
COMMENT ON TABLE former_account IS 'Accounts whose standing a run changed: what it was, and what the run made of it. Written by reconciler.';

CREATE TABLE former_link (
    run_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    object_id uuid NOT NULL,
    target smallint NOT NULL,
    because_of uuid NOT NULL,
    account_id uuid,
    status smallint,
    skip smallint,
    brought_in smallint,
    linked_rule smallint,
    linked_run uuid,
    linked_page integer,
    new_account_id uuid,
    new_status smallint,
    new_brought_in smallint,
    PRIMARY KEY (run_id, connection_id, object_id, target)
);
CREATE INDEX former_link_displaced ON former_link (run_id, because_of) WHERE because_of <> object_id;
COMMENT ON TABLE former_link IS 'Links that a run changed: what they were, and what the run made of them. A link that was not there, and whose decision says so, has no row. Written by reconciler.';
COMMENT ON COLUMN former_link.because_of IS 'the object whose decision changed it: itself, or the one that took its account';
COMMENT ON COLUMN former_link.status IS 'null: there was no link; likewise new_status';
