-- People without a login (I2, M3), organizational units, custom fields with types (M2).
--
-- A person is like an account in everything but the login: the same fields, links, decisions, reviews. So both are rows of
-- one table, told apart by their kind. What must be unique stands in login_key and domain_key for both.

ALTER TABLE account
    ADD COLUMN kind smallint NOT NULL DEFAULT 1,
    ADD COLUMN organizational_unit text,
    ADD COLUMN entity text,
    ADD COLUMN collection text,
    ADD COLUMN identifier text,
    ADD COLUMN custom_1 text,
    ADD COLUMN custom_2 text,
    ADD COLUMN custom_3 text,
    ADD COLUMN custom_4 text,
    ADD COLUMN custom_5 text,
    ADD COLUMN custom_6 text,
    ADD COLUMN custom_7 text,
    ADD COLUMN custom_8 text,
    ADD COLUMN custom_9 text,
    ADD COLUMN custom_10 text,
    ADD COLUMN custom_11 text,
    ADD COLUMN custom_12 text,
    ADD COLUMN custom_13 text,
    ADD COLUMN custom_14 text,
    ADD COLUMN custom_15 text,
    ADD COLUMN custom_16 text;
CREATE INDEX account_person ON account (organization_id, id) WHERE kind = 2;
CREATE INDEX account_deleted_person ON account (organization_id, lower(identifier))
    WHERE kind = 2 AND status = 3 AND deactivated_for <> 0;
COMMENT ON TABLE account IS 'The register''s people, with a login or without. Written by reconciler.';
COMMENT ON COLUMN account.kind IS '1 account, 2 person without a login';
COMMENT ON COLUMN account.login_key IS 'login, or a person''s identifier, in lower case; null for deleted ones, whose login is free again';
COMMENT ON COLUMN account.domain_key IS 'domain in lower case; of a person, entity and collection, each behind a control character';
COMMENT ON COLUMN link.target IS 'the kind of its record: 1 account, 2 person';

ALTER TABLE decision
    ADD COLUMN kind smallint NOT NULL DEFAULT 1,
    ADD COLUMN counts boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN decision.kind IS 'of its record: 1 account, 2 person';
COMMENT ON COLUMN decision.counts IS 'false: left out as the one, while nothing changes for it as the other';

-- One object may be waited for as an account and as a person.
DROP INDEX review_open;
CREATE UNIQUE INDEX review_open ON review (connection_id, object_id, account_id, cause) WHERE state = 'open';

ALTER TABLE mapping
    ADD COLUMN identifier text,
    ADD COLUMN entity text,
    ADD COLUMN collection text,
    ADD COLUMN organizational_unit text;
COMMENT ON COLUMN mapping.identifier IS 'of a mapping to people: objectId, userPrincipalName or email (M3); likewise entity and collection';
COMMENT ON COLUMN mapping.organizational_unit IS 'of a mapping to accounts';

CREATE TABLE custom_field (
    organization_id uuid NOT NULL REFERENCES organization,
    slot smallint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    PRIMARY KEY (organization_id, slot)
);
CREATE UNIQUE INDEX custom_field_name ON custom_field (organization_id, lower(name));
COMMENT ON TABLE custom_field IS 'What an organization keeps in the columns custom_1 to custom_16 of account. Written by api.';
COMMENT ON COLUMN custom_field.kind IS 'text, number, boolean or date';
