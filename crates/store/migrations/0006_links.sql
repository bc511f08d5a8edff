-- Whom no sync touches (B18); how a link came to be, and what people did to links by hand (B7); and the status of those
-- whose last decision failed (I6).

CREATE TABLE never_touch (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid REFERENCES connection ON DELETE CASCADE,
    kind text NOT NULL,
    value text NOT NULL,
    note text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX never_touch_once ON never_touch
    (organization_id, coalesce(connection_id, '00000000-0000-0000-0000-000000000000'), kind, lower(value));
COMMENT ON TABLE never_touch IS 'Whom no sync creates, changes, links, deactivates or deletes (B18). Written by api.';
COMMENT ON COLUMN never_touch.connection_id IS 'null: for every connection';
COMMENT ON COLUMN never_touch.kind IS 'object (an object id), upn (a pattern), group (an object id) or role';

ALTER TABLE link ADD COLUMN linked_rule smallint, ADD COLUMN linked_run uuid, ADD COLUMN linked_page integer;
COMMENT ON COLUMN link.linked_rule IS
    'how it got its account: 0 created, 2 to 6 by that rule, 7 by hand; null without an account, or from before this was kept';
COMMENT ON COLUMN link.linked_run IS 'the run that linked it, with the page of its decision beside it';
COMMENT ON COLUMN link.status IS
    '1 active, 2 disabled, 3 soft-deleted, 4 gone, 5 out of scope, 6 conflict: the last decision failed (I6)';

CREATE TABLE link_edit (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    object_id uuid NOT NULL,
    from_account_id uuid,
    to_account_id uuid,
    reason text NOT NULL,
    edited_by text NOT NULL,
    edited_at timestamptz NOT NULL,
    CHECK (from_account_id IS DISTINCT FROM to_account_id)
);
CREATE INDEX link_edit_by_object ON link_edit (connection_id, object_id, edited_at DESC);
COMMENT ON TABLE link_edit IS 'A link cut or moved by a person (B7). Written by reconciler.';
COMMENT ON COLUMN link_edit.from_account_id IS
    'no rule links the object to this account again, unless a later edit does; null: it had none';
COMMENT ON COLUMN link_edit.to_account_id IS 'null: cut';
