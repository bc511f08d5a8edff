-- What is done when someone who left is back (D3, D4).

ALTER TABLE connection ADD COLUMN leaver_returning text NOT NULL DEFAULT 'reactivate';
COMMENT ON COLUMN connection.leaver_returning IS 'reactivate or nothing: what is done with an account out of use whose user is back';
