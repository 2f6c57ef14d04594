-- Runs with something to do, by project, so that projects take turns; and duties with one owner.
-- The lease is no part of the index any more: a claim then writes one page less.

DROP INDEX runs_claimable;
CREATE INDEX runs_claimable ON runs (project_id, sequence)
    WHERE status IN ('queued', 'in_progress', 'cancelling')
    AND (turn = 'holding' OR status = 'cancelling');

CREATE TABLE duties (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    held_until REAL NOT NULL
) STRICT, WITHOUT ROWID;
