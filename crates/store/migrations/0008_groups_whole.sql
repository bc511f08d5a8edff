-- A full run takes over what has changed about groups while they were read whole not long ago.

ALTER TABLE run_fetch ADD COLUMN groups_whole boolean;
COMMENT ON COLUMN run_fetch.groups_whole IS 'whether all groups were read, and not what has changed about them; null where no groups are asked for';
COMMENT ON COLUMN delta_cursor.full_at IS 'when the last full run that it stands on was read; of groups, when all of them were';
