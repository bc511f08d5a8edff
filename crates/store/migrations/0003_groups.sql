-- A mirror of the directory's groups (I7, B10): what the directory says, not the register.

CREATE TABLE directory_group (
    connection_id uuid NOT NULL,
    object_id uuid NOT NULL,
    name text,
    description text,
    mail text,
    kind smallint NOT NULL,
    dynamic boolean NOT NULL,
    membership_rule text,
    visibility text,
    deleted boolean NOT NULL,
    PRIMARY KEY (connection_id, object_id)
);
COMMENT ON TABLE directory_group IS 'A group of a connection''s directory (I7). Written by fetcher.';
COMMENT ON COLUMN directory_group.kind IS '1 Microsoft 365, 2 security, 3 mail-enabled security, 4 distribution; 0 not known';
COMMENT ON COLUMN directory_group.dynamic IS 'whether a rule chooses its members';
COMMENT ON COLUMN directory_group.deleted IS 'in deleted items: not shown, and nobody belongs to it, until it is restored';

-- No foreign keys: a check per row would cost a third of reading a large tenant's groups.
CREATE TABLE group_edge (
    connection_id uuid NOT NULL,
    group_id uuid NOT NULL,
    member_id uuid NOT NULL,
    member_kind smallint NOT NULL,
    PRIMARY KEY (connection_id, group_id, member_id) INCLUDE (member_kind)
);
CREATE INDEX group_edge_by_member ON group_edge (connection_id, member_id, group_id);
CREATE INDEX group_edge_nested ON group_edge (connection_id, group_id, member_id) WHERE member_kind = 2;
COMMENT ON TABLE group_edge IS 'A direct member of a group, as the directory gives it; nested groups are members like others. Written by fetcher.';
COMMENT ON COLUMN group_edge.member_kind IS '1 user, 2 group, 3 device, 4 service principal, 5 contact; 0 not said';

CREATE TABLE group_mirror (
    connection_id uuid PRIMARY KEY REFERENCES connection ON DELETE CASCADE,
    version bigint NOT NULL,
    run_id uuid NOT NULL,
    changed_at timestamptz NOT NULL
);
COMMENT ON TABLE group_mirror IS 'Which state a connection''s groups are in, once they were read. Written by fetcher.';
COMMENT ON COLUMN group_mirror.version IS 'grows when a run changes anything about the groups; a delta goes on only from the version that its cursor belongs to';
COMMENT ON COLUMN group_mirror.run_id IS 'the run that changed them last';

ALTER TABLE run_fetch
    ADD COLUMN groups integer,
    ADD COLUMN groups_cursor_key_id text,
    ADD COLUMN groups_cursor_ciphertext bytea,
    ADD COLUMN groups_cursor_taken_at timestamptz,
    ADD COLUMN groups_selection text,
    ADD COLUMN groups_version bigint;
COMMENT ON COLUMN run_fetch.groups IS 'groups read; null where no groups are asked for';
COMMENT ON COLUMN run_fetch.groups_version IS 'the version of group_mirror that it was decided by, and that its cursor goes on from';

ALTER TABLE delta_cursor ADD COLUMN groups_version bigint;
COMMENT ON COLUMN delta_cursor.groups_version IS 'of the resource groups: the version of group_mirror that it goes on from';
