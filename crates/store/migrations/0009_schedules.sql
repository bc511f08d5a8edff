-- Runs that come by themselves (R3, R4), and nightly ones that deal with leavers alone (D7).

CREATE TABLE schedule (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL UNIQUE REFERENCES connection ON DELETE CASCADE,
    name text NOT NULL,
    is_on boolean NOT NULL,
    frequency text,
    frequency_detail text NOT NULL,
    start_local timestamp,
    time_zone text NOT NULL,
    delta_on boolean NOT NULL,
    delta_hours integer NOT NULL,
    deprovision_on boolean NOT NULL,
    deprovision_at time NOT NULL,
    revision bigint NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (organization_id, name),
    CHECK ((frequency IS NULL) = (start_local IS NULL)),
    CHECK (NOT is_on OR frequency IS NOT NULL)
);
COMMENT ON TABLE schedule IS 'When a connection''s runs come by themselves (R3, D7). Written by api.';
COMMENT ON COLUMN schedule.frequency IS 'hours, daily, weekly, monthly, cron or once; frequency_detail says how many, which days, which pattern';
COMMENT ON COLUMN schedule.start_local IS 'what clocks show in time_zone';
COMMENT ON COLUMN schedule.revision IS 'grows with every change of any schedule, in the order in which the changes are committed';

CREATE TABLE schedule_state (
    schedule_id uuid PRIMARY KEY REFERENCES schedule ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL,
    revision bigint NOT NULL,
    planned_at timestamptz NOT NULL,
    full_slot timestamptz,
    full_due timestamptz,
    full_key text NOT NULL,
    full_run_id uuid,
    delta_slot timestamptz,
    delta_due timestamptz,
    delta_key text NOT NULL,
    delta_run_id uuid,
    deprovision_slot timestamptz,
    deprovision_due timestamptz,
    deprovision_key text NOT NULL,
    deprovision_run_id uuid,
    due_at timestamptz GENERATED ALWAYS AS (least(full_due, delta_due, deprovision_due)) STORED
);
CREATE INDEX schedule_state_due ON schedule_state (due_at);
CREATE INDEX schedule_state_planned ON schedule_state (planned_at);
CREATE INDEX schedule_state_revision ON schedule_state (revision);
COMMENT ON TABLE schedule_state IS 'What of a schedule comes next. Written by fetcher.';
COMMENT ON COLUMN schedule_state.revision IS 'the revision of the schedule that it was planned by; a schedule with a higher one than all of these is to be planned';
COMMENT ON COLUMN schedule_state.planned_at IS 'when it was last written, by the clock of then';
COMMENT ON COLUMN schedule_state.full_slot IS 'the next time by the schedule';
COMMENT ON COLUMN schedule_state.full_due IS 'when its run begins: connections that are due together begin one after the other';
COMMENT ON COLUMN schedule_state.full_key IS 'what decides on the times; while it stays the same, a change of the schedule leaves them alone';
COMMENT ON COLUMN schedule_state.full_run_id IS 'the last run of this kind that the schedule started';

CREATE TABLE schedule_slot (
    schedule_id uuid NOT NULL REFERENCES schedule ON DELETE CASCADE,
    kind text NOT NULL,
    slot timestamptz NOT NULL,
    organization_id uuid NOT NULL REFERENCES organization,
    claimed_at timestamptz NOT NULL,
    missed integer NOT NULL,
    run_id uuid,
    skipped text,
    PRIMARY KEY (schedule_id, kind, slot),
    CHECK ((run_id IS NULL) <> (skipped IS NULL))
);
COMMENT ON TABLE schedule_slot IS 'Times of a schedule that have come, for a month: each comes once. Written by fetcher.';
COMMENT ON COLUMN schedule_slot.kind IS 'full, delta or deprovision';
COMMENT ON COLUMN schedule_slot.missed IS 'how many times, this one included or not, passed while nobody ran';
COMMENT ON COLUMN schedule_slot.skipped IS 'why no run was started';

ALTER TABLE run ADD COLUMN reason text;
COMMENT ON TABLE run IS 'A request for an execution. What became of it: run_fetch and run_plan. A schedule''s are added by fetcher, through the same function, with the time that they are for. All others: Written by api.';
COMMENT ON COLUMN run.kind IS 'full, delta, preview, manual or deprovision, as asked for';
COMMENT ON COLUMN run.reason IS 'why it comes when it does, where that has to be said: it makes up for times that were missed';
