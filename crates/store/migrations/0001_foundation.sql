-- Every table names its one writing service. Ids are made by us (UUID v7), times come from the service's clock.

CREATE TABLE organization (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE organization IS 'One customer; separates everything. Written by api.';
INSERT INTO organization (id, name, created_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'default', '2026-01-01T00:00:00Z');

CREATE TABLE settings (
    organization_id uuid PRIMARY KEY REFERENCES organization,
    mail_to text[] NOT NULL DEFAULT '{}',
    mail_on_completion boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE settings IS 'Of an organization. Written by api.';

CREATE TABLE credential (
    id uuid PRIMARY KEY,
    organization_id uuid REFERENCES organization,
    name text NOT NULL,
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    secret_key_id text,
    secret_ciphertext bytea,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((secret_key_id IS NULL) = (secret_ciphertext IS NULL))
);
CREATE UNIQUE INDEX credential_name
    ON credential (coalesce(organization_id, '00000000-0000-0000-0000-000000000000'), name);
COMMENT ON TABLE credential IS 'A named app credential in Entra (C10). Written by api.';
COMMENT ON COLUMN credential.organization_id IS 'null: global';
COMMENT ON COLUMN credential.secret_ciphertext IS 'sealed by the vault with the row''s id as associated data (C12)';

CREATE TABLE connection (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name text NOT NULL,
    tenant_id uuid NOT NULL,
    credential_id uuid REFERENCES credential,
    cloud text NOT NULL,
    login_url text,
    graph_url text,
    token_url text,
    deletion_mode text,
    leaver_disabled text NOT NULL,
    leaver_soft_deleted text NOT NULL,
    leaver_gone text NOT NULL,
    leaver_out_of_scope text NOT NULL,
    brake_percent integer NOT NULL,
    brake_count integer NOT NULL,
    brake_from integer NOT NULL,
    first_run text NOT NULL,
    rules_changed_at timestamptz,
    rules_changed_why text,
    disconnected_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (organization_id, name)
);
COMMENT ON TABLE connection IS 'One link to one Entra tenant (C1, C4). Written by api.';
COMMENT ON COLUMN connection.leaver_disabled IS 'nothing, deactivate, delete or review (D6); likewise the other three';
COMMENT ON COLUMN connection.rules_changed_at IS 'when its mappings last changed: an older full run makes the next delta full (F4)';
COMMENT ON COLUMN connection.disconnected_at IS 'C9';

CREATE TABLE connection_status (
    connection_id uuid PRIMARY KEY REFERENCES connection ON DELETE CASCADE,
    passed boolean NOT NULL,
    display_name text,
    verified_domains text[] NOT NULL DEFAULT '{}',
    checks jsonb NOT NULL,
    tested_at timestamptz NOT NULL
);
COMMENT ON TABLE connection_status IS 'What the last test found (C5, C7, C8). Written by fetcher.';

CREATE TABLE mapping (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    name text NOT NULL,
    target text NOT NULL,
    role text NOT NULL,
    override_by_email boolean NOT NULL,
    include_disabled boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (organization_id, name)
);
COMMENT ON TABLE mapping IS 'A named rule set under a connection. Written by api.';

CREATE TABLE mapping_field (
    mapping_id uuid NOT NULL REFERENCES mapping ON DELETE CASCADE,
    position smallint NOT NULL,
    field text NOT NULL,
    attribute text,
    constant text,
    default_value text,
    authority text NOT NULL,
    clear boolean NOT NULL,
    PRIMARY KEY (mapping_id, position),
    UNIQUE (mapping_id, field),
    CHECK ((attribute IS NULL) <> (constant IS NULL))
);
COMMENT ON TABLE mapping_field IS 'A row of a mapping (M1, B11); a mapping without rows uses the default ones. Written by api.';

CREATE TABLE run (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    kind text NOT NULL,
    trigger text NOT NULL,
    requested_by text NOT NULL,
    apply_first boolean NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    cancel_requested_by text
);
CREATE INDEX run_by_connection ON run (connection_id, created_at DESC);
CREATE INDEX run_by_organization ON run (organization_id, created_at DESC);
COMMENT ON TABLE run IS 'A request for an execution. What became of it: run_fetch and run_plan. Written by api.';
COMMENT ON COLUMN run.kind IS 'full, delta or preview, as asked for';
COMMENT ON COLUMN run.apply_first IS 'apply even though it is the connection''s first run';

CREATE TABLE run_fetch (
    run_id uuid PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    attempt integer NOT NULL,
    state text NOT NULL,
    delta boolean NOT NULL,
    reason text,
    holder text NOT NULL,
    lease_until timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    progress_at timestamptz NOT NULL,
    ended_at timestamptz,
    pages integer NOT NULL DEFAULT 0,
    records integer NOT NULL DEFAULT 0,
    expected integer,
    proved boolean NOT NULL DEFAULT false,
    unproved_reason text,
    cursor_key_id text,
    cursor_ciphertext bytea,
    cursor_taken_at timestamptz,
    selection text,
    calls integer NOT NULL DEFAULT 0,
    resource_units integer NOT NULL DEFAULT 0,
    waits integer NOT NULL DEFAULT 0,
    wait_ms bigint NOT NULL DEFAULT 0,
    cause text,
    error text
);
CREATE INDEX run_fetch_open ON run_fetch (lease_until) WHERE state = 'fetching';
COMMENT ON TABLE run_fetch IS 'The reading of a run. Written by fetcher.';
COMMENT ON COLUMN run_fetch.attempt IS 'counts takings of the lease that began anew; pages of an earlier attempt are void';
COMMENT ON COLUMN run_fetch.state IS 'fetching, fetched, failed or cancelled';
COMMENT ON COLUMN run_fetch.delta IS 'whether it reads changes; a delta asked for may have to read everything, see reason';
COMMENT ON COLUMN run_fetch.proved IS 'whether the end of the listing was proved (B3)';
COMMENT ON COLUMN run_fetch.cursor_ciphertext IS 'the next delta link, sealed with the connection''s id';

CREATE TABLE run_plan (
    run_id uuid PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    attempt integer NOT NULL,
    state text NOT NULL,
    preview boolean NOT NULL,
    rules_fingerprint bigint NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL,
    planned_at timestamptz,
    apply_requested_at timestamptz,
    apply_requested_by text,
    ended_at timestamptz,
    removals_note text,
    error text,
    seen integer NOT NULL DEFAULT 0,
    gone integer NOT NULL DEFAULT 0,
    added integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    overwritten integer NOT NULL DEFAULT 0,
    reactivated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    skipped integer NOT NULL DEFAULT 0,
    removed integer NOT NULL DEFAULT 0,
    held integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0
);
CREATE INDEX run_plan_open ON run_plan (state) WHERE state IN ('planning', 'applying', 'planned');
CREATE INDEX run_plan_by_connection ON run_plan (connection_id, ended_at DESC);
COMMENT ON TABLE run_plan IS 'What a run means for the register, and how far that is done. Written by reconciler.';
COMMENT ON COLUMN run_plan.state IS 'planning, planned (a preview that waits), applying, finished, failed, cancelled or expired';
COMMENT ON COLUMN run_plan.rules_fingerprint IS 'hash of the mappings and policies its decisions were made by';
COMMENT ON COLUMN run_plan.seen IS 'tallies, derived from the stored outcomes when planning and when applying ends (design §6, Counting)';

CREATE TABLE run_page (
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    number integer NOT NULL,
    attempt integer NOT NULL,
    source smallint NOT NULL,
    seen uuid[] NOT NULL,
    skipped uuid[] NOT NULL,
    skip_reasons smallint[] NOT NULL,
    unusable integer NOT NULL DEFAULT 0,
    decisions integer NOT NULL,
    fields bytea NOT NULL,
    decided_at timestamptz NOT NULL,
    applied_at timestamptz,
    PRIMARY KEY (run_id, number)
);
-- Neither what is packed already nor what is random gets smaller by another try.
ALTER TABLE run_page ALTER COLUMN fields SET STORAGE EXTERNAL, ALTER COLUMN seen SET STORAGE EXTERNAL;
COMMENT ON TABLE run_page IS 'A decided page. Written by reconciler.';
COMMENT ON COLUMN run_page.number IS 'from 1 as fetched; 0 and below: made by us when the fetch had ended (links not seen)';
COMMENT ON COLUMN run_page.seen IS 'every object of the page; those without a decision and not in skipped are unchanged';
COMMENT ON COLUMN run_page.fields IS 'what its decisions change, old and new, packed: store::page_fields';
COMMENT ON COLUMN run_page.skipped IS 'objects left out as they were the last time, with skip_reasons in the same order';

CREATE TABLE decision (
    run_id uuid NOT NULL,
    page integer NOT NULL,
    position integer NOT NULL,
    object_id uuid,
    account_id uuid,
    outcome smallint NOT NULL,
    rule smallint NOT NULL,
    action smallint NOT NULL,
    cause smallint NOT NULL,
    account_version integer NOT NULL,
    link_status smallint NOT NULL,
    hash bigint NOT NULL,
    takes_from uuid,
    had_link boolean NOT NULL,
    late boolean NOT NULL,
    skip smallint NOT NULL,
    role smallint NOT NULL,
    name text,
    upn text,
    login_key text,
    domain_key text,
    reason text,
    PRIMARY KEY (run_id, page, position)
);
CREATE INDEX decision_by_account ON decision (account_id) WHERE outcome IN (2, 5, 6);
-- No foreign keys on the three largest tables (decision, account, link): a check per row would cost a third of an import.
COMMENT ON TABLE decision IS 'What to do with one object, and why; once its page is applied, a change. Unchanged objects have none. Written by reconciler.';
COMMENT ON COLUMN decision.account_version IS 'the account''s version that was decided upon; 0 for a new account';
COMMENT ON COLUMN decision.takes_from IS 'the object that was linked to the account until now, if another one';
COMMENT ON COLUMN decision.had_link IS 'whether a link row was there when it was decided';
COMMENT ON COLUMN decision.late IS 'applied in the transaction that ends the run, because its login is only free when another account has changed its own';
COMMENT ON COLUMN decision.login_key IS 'the login + domain that the account will hold, when that changes';

CREATE TABLE account (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    status smallint NOT NULL,
    role smallint NOT NULL,
    version integer NOT NULL,
    deactivated_for smallint NOT NULL DEFAULT 0,
    login_key text,
    domain_key text NOT NULL DEFAULT '',
    name text,
    login text,
    domain text,
    email text,
    upn text,
    lookup_guid text,
    first_name text,
    last_name text,
    alias text,
    enabled_in_directory text,
    user_type text,
    job_title text,
    department text,
    company text,
    office text,
    employee_id text,
    employee_type text,
    hire_date text,
    cost_center text,
    division text,
    phone text,
    mobile text,
    fax text,
    street text,
    city text,
    state text,
    postal_code text,
    country text,
    usage_location text,
    language text,
    email_aliases text,
    other_emails text,
    im_addresses text,
    creation_type text,
    external_state text,
    directory_created text,
    password_changed text,
    age_group text,
    minor_consent text,
    legal_age_group text,
    on_premises_upn text,
    on_premises_domain text,
    on_premises_login text,
    on_premises_immutable_id text,
    on_premises_dn text,
    on_premises_sid text,
    on_premises_synced text,
    reporting_to text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT account_login UNIQUE (organization_id, login_key, domain_key) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX account_deleted ON account (organization_id, lower(login)) WHERE status = 3 AND deactivated_for <> 0;
CREATE INDEX account_owner ON account (organization_id) WHERE role = 4 AND status = 1;
CREATE INDEX account_mailed ON account (organization_id) WHERE role >= 3 AND status = 1 AND email IS NOT NULL;
CREATE INDEX account_by_upn ON account (organization_id, lower(upn)) WHERE upn IS NOT NULL;
CREATE INDEX account_by_email ON account (organization_id, lower(email)) WHERE email IS NOT NULL;
CREATE INDEX account_by_lookup_guid ON account (organization_id, lower(lookup_guid)) WHERE lookup_guid IS NOT NULL;
COMMENT ON TABLE account IS 'The register''s people with a login. Written by reconciler.';
COMMENT ON COLUMN account.status IS '1 active, 2 deactivated, 3 deleted';
COMMENT ON COLUMN account.role IS '1 user, 2 technician, 3 admin, 4 owner';
COMMENT ON COLUMN account.version IS 'grows with every write';
COMMENT ON COLUMN account.deactivated_for IS 'the cause for which a sync deactivated or deleted it; 0 when no sync did';
COMMENT ON COLUMN account.login_key IS 'login in lower case; null for deleted ones, whose login is free again';
COMMENT ON COLUMN account.reporting_to IS 'the manager''s object id in Entra; the account is found through link';

CREATE TABLE link (
    connection_id uuid NOT NULL,
    object_id uuid NOT NULL,
    target smallint NOT NULL,
    organization_id uuid NOT NULL,
    account_id uuid,
    hash bigint NOT NULL,
    status smallint NOT NULL,
    skip smallint NOT NULL,
    PRIMARY KEY (connection_id, object_id, target)
);
CREATE INDEX link_by_account ON link (account_id) WHERE account_id IS NOT NULL;
COMMENT ON TABLE link IS 'Connection + object id → register record; without an account: an object that was left out, by key and hash. Written by reconciler.';
COMMENT ON COLUMN link.target IS '1 account';
COMMENT ON COLUMN link.hash IS 'of the object as last decided, mixed with the rules'' fingerprint; 0 is never equal: decide anew';
COMMENT ON COLUMN link.status IS '1 active, 2 disabled, 3 soft-deleted, 4 gone, 5 out of scope (I6)';
COMMENT ON COLUMN link.skip IS 'why it was left out; 0 with an account';

CREATE TABLE delta_cursor (
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    resource text NOT NULL,
    key_id text NOT NULL,
    ciphertext bytea NOT NULL,
    taken_at timestamptz NOT NULL,
    selection text NOT NULL,
    run_id uuid NOT NULL,
    full_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, resource)
);
COMMENT ON TABLE delta_cursor IS 'Where the next delta begins. Written by reconciler, in the transaction that ends a run.';
COMMENT ON COLUMN delta_cursor.selection IS 'the selected attributes; others need another cursor (graph-facts, trap 31)';

CREATE TABLE review (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    run_id uuid NOT NULL,
    account_id uuid NOT NULL REFERENCES account,
    object_id uuid NOT NULL,
    cause smallint NOT NULL,
    proposed text NOT NULL,
    reason text NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    resolution_reason text
);
CREATE UNIQUE INDEX review_open ON review (connection_id, object_id, cause) WHERE state = 'open';
CREATE INDEX review_by_organization ON review (organization_id, state, created_at);
COMMENT ON TABLE review IS 'A held or manual removal awaiting a person. Written by reconciler.';
COMMENT ON COLUMN review.state IS 'open, approved, rejected, kept or obsolete';

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    run_id uuid,
    traceparent text,
    created_at timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX outbox_due ON outbox (id) WHERE published_at IS NULL;
COMMENT ON TABLE outbox IS 'Events, committed with what they tell of, until they are published. Written by reconciler.';

CREATE TABLE inbox (
    event_id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL
);
COMMENT ON TABLE inbox IS 'Events whose telling has been decided. Written by notifier.';

CREATE TABLE notice (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    event_id uuid NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    run_id uuid,
    connection_id uuid,
    created_at timestamptz NOT NULL,
    UNIQUE (event_id, kind)
);
CREATE INDEX notice_by_organization ON notice (organization_id, id DESC);
COMMENT ON TABLE notice IS 'Bell entries (N4). Written by notifier.';

CREATE TABLE notice_read (
    notice_id uuid NOT NULL REFERENCES notice ON DELETE CASCADE,
    reader uuid NOT NULL,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (notice_id, reader)
);
COMMENT ON TABLE notice_read IS 'Who has read what; the reader is a token. Written by api.';

CREATE TABLE delivery (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    event_id uuid NOT NULL,
    run_id uuid,
    recipient text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    attach_failed boolean NOT NULL,
    message_id text NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    lease_token uuid,
    lease_until timestamptz,
    last_error text,
    traceparent text,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    UNIQUE (event_id, recipient)
);
CREATE INDEX delivery_due ON delivery (next_attempt_at) WHERE state = 'due';
COMMENT ON TABLE delivery IS 'One mail to one recipient (N6). Written by notifier.';
COMMENT ON COLUMN delivery.message_id IS 'made once, with the row: a repeated mail carries the same';
COMMENT ON COLUMN delivery.attach_failed IS 'whether the failed users'' CSV goes with it (N5)';
COMMENT ON COLUMN delivery.state IS 'due, sent or failed';

CREATE TABLE delivery_attempt (
    delivery_id uuid NOT NULL REFERENCES delivery ON DELETE CASCADE,
    number integer NOT NULL,
    attempted_at timestamptz NOT NULL,
    error text,
    PRIMARY KEY (delivery_id, number)
);
COMMENT ON TABLE delivery_attempt IS 'Each try at a delivery; no error: accepted by the server. Written by notifier.';

CREATE TABLE token (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    role text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX token_name ON token (organization_id, name) WHERE revoked_at IS NULL;
COMMENT ON TABLE token IS 'API tokens. Written by api.';
COMMENT ON COLUMN token.hash IS 'SHA-256 of the token, which has 256 random bits';
COMMENT ON COLUMN token.role IS 'viewer or admin';

CREATE TABLE console_session (
    hash bytea PRIMARY KEY,
    token_id uuid NOT NULL REFERENCES token ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE console_session IS 'Signed-in browsers: SHA-256 of the cookie. Written by api.';

CREATE TABLE idempotency (
    organization_id uuid NOT NULL REFERENCES organization,
    key text NOT NULL,
    method text NOT NULL,
    request_hash bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, key)
);
COMMENT ON TABLE idempotency IS 'Answers to mutations by the caller''s key, for a day. Written by api.';

CREATE TABLE audit (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb
);
CREATE INDEX audit_by_organization ON audit (organization_id, id DESC);
COMMENT ON TABLE audit IS 'Configuration changes, secrets redacted (C14). Written by api.';
