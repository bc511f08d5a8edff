-- Runs' details by the week, so that old ones go by dropping whole tables, and what runs wait for (R7, B16).
--
-- What is there becomes the first part of each of the two tables. That rewrites nothing and builds no index: PostgreSQL
-- reads both tables through once, to see that their rows belong there. From here to the end of this migration nobody else
-- can read or write the two tables, nor add a run: about a second for five million decisions. Runs in work wait for it.

SET LOCAL statement_timeout = 0;

CREATE TABLE run_partition (
    name text PRIMARY KEY,
    from_id uuid NOT NULL,
    to_id uuid NOT NULL,
    pruned_at timestamptz,
    CHECK (from_id < to_id)
);
COMMENT ON TABLE run_partition IS 'A part of decision and of run_page: those of the runs of a week. Written by reconciler.';
COMMENT ON COLUMN run_partition.name IS 'its tables are decision_NAME and run_page_NAME; the Monday that it begins with, or first';
COMMENT ON COLUMN run_partition.from_id IS 'the first run id in it; ids of runs are ordered by time';
COMMENT ON COLUMN run_partition.to_id IS 'the first run id behind it';
COMMENT ON COLUMN run_partition.pruned_at IS 'when its rows were given up; its tables are dropped after that';

ALTER TABLE run_fetch
    ADD COLUMN wait_causes jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN waiting_for text,
    ADD COLUMN waiting_until timestamptz;
COMMENT ON COLUMN run_fetch.wait_causes IS 'its waits by their cause (B16): cause, resource, count, total_ms, longest_ms';
COMMENT ON COLUMN run_fetch.waiting_for IS 'while it reads: what it waits for just now';

-- Rare ones among many runs, for lists of them.
CREATE INDEX run_plan_failed ON run_plan (organization_id, run_id) WHERE failed > 0 OR state = 'failed';
CREATE INDEX run_plan_changed ON run_plan (organization_id, run_id) WHERE added + updated + removed > 0;
CREATE INDEX run_fetch_failed ON run_fetch (run_id) WHERE state = 'failed';

-- A table with a foreign key can't be dropped without locking the table that it refers to, and every run with it. Runs go
-- only when their pages are gone.
ALTER TABLE run_page DROP CONSTRAINT run_page_run_id_fkey;

ALTER TABLE decision RENAME TO decision_first;
ALTER INDEX decision_pkey RENAME TO decision_first_pkey;
ALTER INDEX decision_by_account RENAME TO decision_first_by_account;
CREATE TABLE decision (LIKE decision_first INCLUDING ALL) PARTITION BY RANGE (run_id);
ALTER INDEX decision_account_id_idx RENAME TO decision_by_account;
COMMENT ON TABLE decision IS 'What to do with one object, and why; once its page is applied, a change. Unchanged objects have none. Written by reconciler.';

ALTER TABLE run_page RENAME TO run_page_first;
ALTER INDEX run_page_pkey RENAME TO run_page_first_pkey;
CREATE TABLE run_page (LIKE run_page_first INCLUDING ALL) PARTITION BY RANGE (run_id);
COMMENT ON TABLE run_page IS 'A decided page. Written by reconciler.';

-- The first part ends with the week after that of the newest run. Reconcilers add those behind it.
DO $$
DECLARE
    newest timestamptz := greatest('2026-11-21T00:00:00Z', (
        SELECT to_timestamp(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0)
        FROM run ORDER BY id DESC LIMIT 1));
    ends timestamptz := (date_trunc('week', newest AT TIME ZONE 'UTC') + interval '14 days') AT TIME ZONE 'UTC';
    to_id uuid := (lpad(to_hex((extract(epoch FROM ends) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
BEGIN
    EXECUTE format('ALTER TABLE decision ATTACH PARTITION decision_first FOR VALUES FROM (MINVALUE) TO (%L)', to_id);
    EXECUTE format('ALTER TABLE run_page ATTACH PARTITION run_page_first FOR VALUES FROM (MINVALUE) TO (%L)', to_id);
    INSERT INTO run_partition (name, from_id, to_id) VALUES ('first', '00000000-0000-0000-0000-000000000000', to_id);
END $$;
