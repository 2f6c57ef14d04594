-- Vector stores and the files in them. What a store counts follows from its entries.

CREATE TABLE vector_stores (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    -- Whether the index of chunks may keep something of it.
    has_index INTEGER NOT NULL DEFAULT 1,
    body BLOB NOT NULL,
    file_ids TEXT,
    deleted_at INTEGER
) STRICT;
CREATE INDEX vector_stores_listed ON vector_stores (project_id, created_at, sequence)
    WHERE deleted_at IS NULL;
CREATE INDEX vector_stores_expiring ON vector_stores (expires_at)
    WHERE has_index AND expires_at IS NOT NULL;
CREATE INDEX vector_stores_deleted ON vector_stores (deleted_at)
    WHERE has_index AND deleted_at IS NOT NULL;

CREATE TABLE vector_store_batches (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    store_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0
) STRICT;

-- An entry is one adding of one file to one store; the index of chunks knows it by its sequence,
-- which is never given again.
CREATE TABLE vector_store_files (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    store_id TEXT NOT NULL,
    batch_id TEXT,
    created_at INTEGER NOT NULL,
    filename TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed', 'cancelled')),
    size_tokens INTEGER NOT NULL,
    overlap_tokens INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    usage_bytes INTEGER NOT NULL DEFAULT 0,
    error_code TEXT,
    error_message TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    lease_until REAL,
    -- Whether the index of chunks may keep something of it.
    has_index INTEGER NOT NULL DEFAULT 0,
    removed_at INTEGER,
    CHECK ((status = 'failed') = (error_code IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX vector_store_files_in_store ON vector_store_files (store_id, id)
    WHERE removed_at IS NULL;
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
