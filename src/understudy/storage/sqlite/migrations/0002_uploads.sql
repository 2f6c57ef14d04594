-- Files that arrive in parts (UPL-01, UPL-02). An upload that is over has no parts any more.

CREATE TABLE uploads (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- Until when parts are taken; NULL when the upload is over.
    open_until INTEGER,
    file_expires_after INTEGER,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX uploads_open ON uploads (open_until) WHERE open_until IS NOT NULL;

CREATE TABLE upload_parts (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    upload_id TEXT NOT NULL REFERENCES uploads (id),
    bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;
CREATE INDEX upload_parts_of_upload ON upload_parts (upload_id, sequence);

-- Bytes that no row names yet, or none names any more: removed after keep_until, even if whoever
-- was storing them was killed.
CREATE TABLE unclaimed_bytes (
    key TEXT PRIMARY KEY,
    keep_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX unclaimed_bytes_due ON unclaimed_bytes (keep_until);
