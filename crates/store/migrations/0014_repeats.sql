-- What the fetcher has seen anyway spares the reconciler a look at everybody.

ALTER TABLE run_fetch ADD COLUMN repeats boolean;
COMMENT ON COLUMN run_fetch.repeats IS 'whether an object came more than once, or may have; not said before the end, and by older fetchers';
