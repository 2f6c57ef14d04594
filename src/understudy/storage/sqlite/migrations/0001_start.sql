-- Bodies are the v2 view of an object, encoded. A deleted row keeps its place in lists (LIST-08),
-- without its body. Order in lists is (created_at, sequence) (LIST-03).

CREATE TABLE projects (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    sequence INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE assistants (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    file_ids TEXT,
    deleted_at INTEGER
) STRICT;
CREATE INDEX assistants_listed ON assistants (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;

CREATE TABLE threads (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    file_ids TEXT,
    deleted_at INTEGER
) STRICT;
CREATE INDEX threads_listed ON threads (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;

CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    run_id TEXT,
    created_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    file_ids TEXT,
    -- Set when a client changed the metadata of a message that a worker may still be writing.
    changed_metadata BLOB,
    deleted_at INTEGER
) STRICT;
CREATE INDEX messages_listed ON messages (thread_id, created_at, sequence)
    WHERE deleted_at IS NULL;
CREATE INDEX messages_of_run ON messages (run_id, created_at, sequence)
    WHERE run_id IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE runs (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN (
        'queued', 'in_progress', 'requires_action', 'cancelling',
        'cancelled', 'failed', 'completed', 'incomplete', 'expired'
    )),
    -- 'holding' the thread, 'waiting' for another run of the thread to end, or 'over'.
    turn TEXT NOT NULL CHECK (turn IN ('holding', 'waiting', 'over')),
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    position INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    lease_until REAL,
    journal TEXT NOT NULL,
    pending_usage BLOB,
    waiting_messages BLOB,
    body BLOB NOT NULL,
    file_ids TEXT,
    changed_metadata BLOB,
    deleted_at INTEGER,
    CHECK ((turn = 'over') = (status IN (
        'cancelled', 'failed', 'completed', 'incomplete', 'expired'
    )))
) STRICT;
-- The lock of a thread: the insert is the check (RUN-22).
CREATE UNIQUE INDEX runs_holding ON runs (thread_id) WHERE turn = 'holding';
CREATE INDEX runs_waiting ON runs (thread_id, sequence) WHERE turn = 'waiting';
CREATE INDEX runs_listed ON runs (thread_id, created_at, sequence) WHERE deleted_at IS NULL;
CREATE INDEX runs_claimable ON runs (lease_until)
    WHERE status IN ('queued', 'in_progress', 'cancelling')
    AND (turn = 'holding' OR status = 'cancelling');
CREATE INDEX runs_due ON runs (deadline)
    WHERE turn IN ('holding', 'waiting');

CREATE TABLE run_steps (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    file_ids TEXT,
    deleted_at INTEGER
) STRICT;
CREATE INDEX run_steps_listed ON run_steps (run_id, created_at, sequence)
    WHERE deleted_at IS NULL;

CREATE TABLE files (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    expires_at INTEGER,
    body BLOB NOT NULL,
    file_ids TEXT,
    deleted_at INTEGER
) STRICT;
CREATE INDEX files_listed ON files (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;
CREATE INDEX files_expiring ON files (expires_at)
    WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

-- Which objects name a file, or once did: where to look when it is deleted (FILE-07).
CREATE TABLE file_uses (
    file_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    PRIMARY KEY (file_id, kind, object_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE answers (
    project_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    file_ids TEXT,
    after TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (created_at);
