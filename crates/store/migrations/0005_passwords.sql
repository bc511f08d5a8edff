-- Files on their way into the register (I11), and local passwords (M6).

CREATE TABLE import_page (
    import_id uuid NOT NULL,
    number integer NOT NULL,
    organization_id uuid NOT NULL REFERENCES organization,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (import_id, number)
);
CREATE INDEX import_page_old ON import_page (created_at);
COMMENT ON TABLE import_page IS 'Rows of a file that add or change accounts, until they are applied or the import ends. Written by reconciler.';
COMMENT ON COLUMN import_page.number IS 'from 1; a page that is applied is deleted in the same transaction';

CREATE TABLE password_settings (
    organization_id uuid PRIMARY KEY REFERENCES organization,
    mode text NOT NULL,
    must_change boolean NOT NULL,
    mail boolean NOT NULL,
    length smallint NOT NULL,
    lower boolean NOT NULL,
    upper boolean NOT NULL,
    digit boolean NOT NULL,
    symbol boolean NOT NULL,
    not_login boolean NOT NULL,
    key_id text,
    ciphertext bytea,
    CHECK ((key_id IS NULL) = (ciphertext IS NULL))
);
COMMENT ON TABLE password_settings IS 'Whether imported accounts get a local password, and which (M6). Written by api.';
COMMENT ON COLUMN password_settings.mode IS 'none, random or predefined';
COMMENT ON COLUMN password_settings.length IS 'the policy, to symbol and not_login: what every password must have';
COMMENT ON COLUMN password_settings.ciphertext IS 'the predefined password, sealed by the vault with the organization''s id';

CREATE TABLE password_task (
    account_id uuid PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organization,
    reset boolean NOT NULL,
    requested_at timestamptz NOT NULL
);
CREATE INDEX password_task_due ON password_task (requested_at);
COMMENT ON TABLE password_task IS 'Accounts that wait for a password: making its hash is slow on purpose. Written by reconciler.';
COMMENT ON COLUMN password_task.reset IS 'asked for by a person: random and mailed, whatever the settings say of new accounts';

CREATE TABLE account_password (
    account_id uuid PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organization,
    hash text NOT NULL,
    must_change boolean NOT NULL,
    set_at timestamptz NOT NULL
);
COMMENT ON TABLE account_password IS 'The local password of an account (M6). Written by reconciler.';
COMMENT ON COLUMN account_password.hash IS 'argon2id with a salt of its own, in the PHC string format; nothing else of the password is kept';

CREATE TABLE password_mail (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL UNIQUE REFERENCES account ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organization,
    key_id text NOT NULL,
    ciphertext bytea NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE password_mail IS 'Passwords that are still to be mailed; notifier takes a row out when its mail is sent or given up. Written by reconciler.';
COMMENT ON COLUMN password_mail.id IS 'the event_id of its delivery';
COMMENT ON COLUMN password_mail.ciphertext IS 'the password, sealed by the vault with the row''s id';

ALTER TABLE delivery ADD COLUMN holds_password boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN delivery.holds_password IS 'the body has a gap into which the password of password_mail is put when it is sent, and only then';
