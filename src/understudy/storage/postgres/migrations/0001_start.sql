-- Migrations are numbered and never changed once released; a change is one more file.
-- Each is safe while the release before it still serves: it adds tables, indexes, and columns that
-- are nullable or have a constant default; it takes nothing away that the older code still uses.
-- What is not used any more goes one release later.

-- Bodies are the v2 view of an object, encoded. A deleted row keeps its place in lists (LIST-08),
-- without its body. Order in lists is (created_at, sequence) (LIST-03). Ids are compared byte by
-- byte. What a client may have put a NUL character into is bytea, since text cannot hold one.

CREATE TABLE projects (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE api_keys (
    hash text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text NOT NULL,
    hint text NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint
);

CREATE TABLE assistants (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    body bytea NOT NULL,
    file_ids text,
    deleted_at bigint
);
CREATE INDEX assistants_listed ON assistants (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;

CREATE TABLE threads (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    body bytea NOT NULL,
    file_ids text,
    deleted_at bigint
);
CREATE INDEX threads_listed ON threads (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;

-- The pairs of the metadata of threads, each as it stands in the body, to find threads by.
CREATE TABLE thread_labels (
    thread_id text COLLATE "C" NOT NULL,
    label bytea NOT NULL,
    PRIMARY KEY (thread_id, label)
);

-- A message of a run grows in its place: room in the page keeps its indexes untouched.
CREATE TABLE messages (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C",
    created_at bigint NOT NULL,
    body bytea NOT NULL,
    file_ids text,
    -- Set when a client changed the metadata of a message that a worker may still be writing.
    changed_metadata bytea,
    deleted_at bigint
) WITH (fillfactor = 65);
CREATE INDEX messages_listed ON messages (thread_id, created_at, sequence)
    WHERE deleted_at IS NULL;
CREATE INDEX messages_of_run ON messages (run_id, created_at, sequence)
    WHERE run_id IS NOT NULL AND deleted_at IS NULL;

-- No index holds or names status, attempt, lease or journal, so that only the end of a run touches
-- indexes; every other change of it stays in its page, which is therefore half empty at first.
CREATE TABLE runs (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    status text NOT NULL CHECK (status IN (
        'queued', 'in_progress', 'requires_action', 'cancelling',
        'cancelled', 'failed', 'completed', 'incomplete', 'expired'
    )),
    -- 'holding' the thread, 'waiting' for another run of the thread to end, or 'over'.
    turn text NOT NULL CHECK (turn IN ('holding', 'waiting', 'over')),
    attempt bigint NOT NULL CHECK (attempt >= 0),
    position bigint NOT NULL,
    deadline bigint NOT NULL,
    lease_until double precision,
    journal bytea NOT NULL,
    pending_usage bytea,
    waiting_messages bytea,
    body bytea NOT NULL,
    file_ids text,
    changed_metadata bytea,
    deleted_at bigint,
    CHECK ((turn = 'over') = (status IN (
        'cancelled', 'failed', 'completed', 'incomplete', 'expired'
    )))
) WITH (fillfactor = 50);
-- The lock of a thread: no second run can hold it (RUN-22).
CREATE UNIQUE INDEX runs_holding ON runs (thread_id) WHERE turn = 'holding';
CREATE INDEX runs_waiting ON runs (thread_id, sequence) WHERE turn = 'waiting';
CREATE INDEX runs_listed ON runs (thread_id, created_at, sequence) WHERE deleted_at IS NULL;
-- In words that nothing else implies: whoever looks for the run that holds a thread would be led
-- through one of these while there are few unfinished runs, and go on so when there are many.
CREATE INDEX runs_unfinished ON runs (project_id, sequence) WHERE (turn <> 'over') IS TRUE;
CREATE INDEX runs_due ON runs (deadline) WHERE (turn <> 'over') IS TRUE;

CREATE TABLE run_steps (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    body bytea NOT NULL,
    file_ids text,
    deleted_at bigint
) WITH (fillfactor = 50);
CREATE INDEX run_steps_listed ON run_steps (run_id, created_at, sequence)
    WHERE deleted_at IS NULL;

CREATE TABLE files (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    purpose text NOT NULL,
    expires_at bigint,
    body bytea NOT NULL,
    file_ids text,
    deleted_at bigint
);
CREATE INDEX files_listed ON files (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;
CREATE INDEX files_expiring ON files (expires_at)
    WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

-- Which objects name a file, or once did: where to look when it is deleted (FILE-07).
CREATE TABLE file_uses (
    file_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (file_id, kind, object_id)
);

CREATE TABLE answers (
    project_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    kind text NOT NULL,
    body bytea NOT NULL,
    file_ids text,
    after text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (project_id, key)
);
CREATE INDEX answers_by_age ON answers (created_at);

-- Files that arrive in parts (UPL-01, UPL-02). An upload that is over has no parts any more.
CREATE TABLE uploads (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    -- Until when parts are taken; NULL when the upload is over.
    open_until bigint,
    file_expires_after bigint,
    body bytea NOT NULL
);
CREATE INDEX uploads_open ON uploads (open_until) WHERE open_until IS NOT NULL;

CREATE TABLE upload_parts (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    upload_id text COLLATE "C" NOT NULL REFERENCES uploads (id),
    bytes bigint NOT NULL CHECK (bytes >= 0)
);
CREATE INDEX upload_parts_of_upload ON upload_parts (upload_id, sequence);

-- Bytes that no row names yet, or none names any more: removed after keep_until, even if whoever
-- was storing them was killed.
CREATE TABLE unclaimed_bytes (
    key text COLLATE "C" PRIMARY KEY,
    keep_until bigint NOT NULL
);
CREATE INDEX unclaimed_bytes_due ON unclaimed_bytes (keep_until);

-- Vector stores and the files in them. What a store counts follows from its entries.
CREATE TABLE vector_stores (
    id text COLLATE "C" PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    -- Whether the index of chunks may keep something of it.
    has_index boolean NOT NULL DEFAULT true,
    body bytea NOT NULL,
    file_ids text,
    deleted_at bigint
);
CREATE INDEX vector_stores_listed ON vector_stores (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;
CREATE INDEX vector_stores_expiring ON vector_stores (expires_at)
    WHERE has_index AND expires_at IS NOT NULL;
CREATE INDEX vector_stores_deleted ON vector_stores (deleted_at)
    WHERE has_index AND deleted_at IS NOT NULL;

CREATE TABLE vector_store_batches (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    store_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    cancelled boolean NOT NULL DEFAULT false
);

-- An entry is one adding of one file to one store; the index of chunks knows it by its sequence,
-- which is never given again.
CREATE TABLE vector_store_files (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    store_id text COLLATE "C" NOT NULL,
    batch_id text COLLATE "C",
    created_at bigint NOT NULL,
    filename bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed', 'cancelled')),
    size_tokens bigint NOT NULL,
    overlap_tokens bigint NOT NULL,
    attributes bytea NOT NULL,
    usage_bytes bigint NOT NULL DEFAULT 0,
    error_code text,
    error_message text,
    attempt bigint NOT NULL DEFAULT 0,
    lease_until double precision,
    -- Whether the index of chunks may keep something of it.
    has_index boolean NOT NULL DEFAULT false,
    removed_at bigint,
    CHECK ((status = 'failed') = (error_code IS NOT NULL))
);
CREATE UNIQUE INDEX vector_store_files_in_store ON vector_store_files (store_id, id)
    WHERE removed_at IS NULL;
CREATE INDEX vector_store_files_of_store ON vector_store_files (store_id, id, sequence);
CREATE INDEX vector_store_files_listed ON vector_store_files (store_id, created_at, sequence)
    WHERE removed_at IS NULL;
CREATE INDEX vector_store_files_counted ON vector_store_files (store_id, status, usage_bytes)
    WHERE removed_at IS NULL;
CREATE INDEX vector_store_files_of_batch ON vector_store_files (batch_id, status)
    WHERE batch_id IS NOT NULL;
CREATE INDEX vector_store_files_of_file ON vector_store_files (id)
    WHERE removed_at IS NULL;
CREATE INDEX vector_store_files_ingestible
    ON vector_store_files (project_id, store_id, sequence)
    WHERE status = 'in_progress' AND removed_at IS NULL;
CREATE INDEX vector_store_files_leased ON vector_store_files (store_id, lease_until)
    WHERE lease_until IS NOT NULL;
CREATE INDEX vector_store_files_unneeded ON vector_store_files (lease_until)
    WHERE has_index AND (removed_at IS NOT NULL OR status IN ('cancelled', 'failed'));

-- Who sees to what is done by one process at a time.
CREATE TABLE duties (
    name text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    held_until double precision NOT NULL
);
