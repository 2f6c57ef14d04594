-- The writes of plain runs, many at once: one function for what is added, one for how runs go on.
-- Each is one call in a transaction of its own, since what such a write costs is mostly the way to
-- the server and back, for every statement of it, and for BEGIN and COMMIT, and planning each
-- statement anew.
--
-- A function does the plain case only and returns the members of the group that are not plain, of
-- which it writes nothing: a thread that is busy or gone, a run that has moved on, one that others
-- wait behind, metadata that a client has changed. Those are applied alone afterwards (alone.py),
-- which finds out why.
--
-- Safe while the release before still serves, like every migration: a function or type that a
-- release uses is never replaced or dropped by the next one. One that changes gets a new number.
--
-- The plans inside are kept, since planning takes longer than running, and they may be made while
-- the tables are empty. So nothing is joined, and no condition says "deleted_at IS NULL" in a way
-- that would let the index of a list serve: reading all of it costs nothing while it is empty.

CREATE TYPE needed_thread_1 AS (
    member integer, thread_id text, project_id text
);
CREATE TYPE new_thread_1 AS (
    member integer, id text, project_id text, created_at bigint, body bytea, file_ids text
);
CREATE TYPE new_label_1 AS (
    member integer, thread_id text, label bytea
);
CREATE TYPE new_message_1 AS (
    member integer, id text, project_id text, created_at bigint, body bytea, file_ids text,
    thread_id text, run_id text
);
CREATE TYPE new_run_1 AS (
    member integer, id text, project_id text, thread_id text, created_at bigint, status text,
    attempt bigint, position bigint, deadline bigint, journal bytea, body bytea, file_ids text
);
CREATE TYPE new_use_1 AS (
    member integer, file_id text, kind text, object_id text
);
CREATE TYPE changed_run_1 AS (
    member integer, id text, thread_id text, expected_status text, expected_attempt bigint,
    status text, ends boolean, attempt bigint, position bigint,
    keeps_lease boolean, lease_until double precision,
    pending_usage bytea, body bytea, journal bytea
);
CREATE TYPE written_object_1 AS (
    member integer, id text, project_id text, thread_id text, run_id text, created_at bigint,
    body bytea
);

-- Adds threads, messages and runs; the threads that a member needs must be there and free.
CREATE FUNCTION add_objects_1(
    needed needed_thread_1[], new_threads new_thread_1[], new_labels new_label_1[],
    new_messages new_message_1[], new_runs new_run_1[], new_uses new_use_1[]
) RETURNS integer[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    left_out integer[] := '{}';
BEGIN
    IF cardinality(needed) > 0 THEN
        PERFORM FROM threads WHERE id = ANY (ARRAY(SELECT thread_id FROM unnest(needed)))
            ORDER BY id FOR NO KEY UPDATE;
        -- A new statement sees what the lock has waited for.
        left_out := ARRAY(
            SELECT member FROM unnest(needed) AS need WHERE (
                SELECT threads.project_id = need.project_id AND deleted_at IS NULL
                FROM threads WHERE id = need.thread_id
            ) IS NOT TRUE OR (
                SELECT id FROM runs WHERE runs.thread_id = need.thread_id AND turn = 'holding'
            ) IS NOT NULL
        );
    END IF;
    IF cardinality(new_threads) > 0 THEN
        INSERT INTO threads (id, project_id, created_at, body, file_ids)
        SELECT id, project_id, created_at, body, file_ids
        FROM unnest(new_threads) WHERE member <> ALL (left_out);
    END IF;
    IF cardinality(new_labels) > 0 THEN
        INSERT INTO thread_labels (thread_id, label)
        SELECT thread_id, label FROM unnest(new_labels) WHERE member <> ALL (left_out);
    END IF;
    IF cardinality(new_messages) > 0 THEN
        INSERT INTO messages (id, project_id, created_at, body, file_ids, thread_id, run_id)
        SELECT id, project_id, created_at, body, file_ids, thread_id, run_id
        FROM unnest(new_messages) WHERE member <> ALL (left_out);
    END IF;
    IF cardinality(new_runs) > 0 THEN
        INSERT INTO runs (id, project_id, thread_id, created_at, status, turn, attempt, position,
            deadline, journal, body, file_ids)
        SELECT id, project_id, thread_id, created_at, status, 'holding', attempt, position,
            deadline, journal, body, file_ids
        FROM unnest(new_runs) WHERE member <> ALL (left_out);
    END IF;
    IF cardinality(new_uses) > 0 THEN
        INSERT INTO file_uses (file_id, kind, object_id)
        SELECT file_id, kind, object_id
        FROM unnest(new_uses) WHERE member <> ALL (left_out) ON CONFLICT DO NOTHING;
    END IF;
    RETURN left_out;
END $$;

-- Changes runs that are as expected, given in the order of their ids, and what they have written.
CREATE FUNCTION change_runs_1(
    changed_runs changed_run_1[], steps written_object_1[], messages_written written_object_1[]
) RETURNS integer[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    left_out integer[] := '{}';
    change changed_run_1;
BEGIN
    PERFORM FROM threads WHERE id = ANY (ARRAY(SELECT thread_id FROM unnest(changed_runs)))
        ORDER BY id FOR NO KEY UPDATE;
    IF cardinality(messages_written) > 0 THEN
        -- Locked, since a client may change the metadata of a message at any time.
        PERFORM FROM messages WHERE id = ANY (ARRAY(SELECT id FROM unnest(messages_written)))
            ORDER BY id FOR NO KEY UPDATE;
        left_out := ARRAY(
            SELECT member FROM unnest(messages_written) AS written WHERE (
                SELECT changed_metadata FROM messages WHERE id = written.id
            ) IS NOT NULL
        );
    END IF;
    FOREACH change IN ARRAY changed_runs LOOP
        CONTINUE WHEN change.member = ANY (left_out);
        IF change.ends THEN
            IF EXISTS (SELECT FROM runs WHERE thread_id = change.thread_id AND turn = 'waiting') THEN
                left_out := left_out || change.member;
                CONTINUE;
            END IF;
        END IF;
        UPDATE runs SET
            status = change.status,
            attempt = change.attempt,
            turn = CASE WHEN change.ends THEN 'over' ELSE turn END,
            position = greatest(position, change.position),
            lease_until = CASE WHEN change.keeps_lease THEN lease_until ELSE change.lease_until END,
            pending_usage = change.pending_usage,
            body = change.body,
            journal = journal || change.journal
        WHERE id = change.id AND status = change.expected_status AND attempt = change.expected_attempt
            AND num_nulls(deleted_at, changed_metadata) = 2;
        IF NOT FOUND THEN
            left_out := left_out || change.member;
        END IF;
    END LOOP;
    IF cardinality(steps) > 0 THEN
        INSERT INTO run_steps (id, project_id, thread_id, run_id, created_at, body)
        SELECT id, project_id, thread_id, run_id, created_at, body
        FROM unnest(steps) WHERE member <> ALL (left_out)
        ON CONFLICT (id) DO UPDATE SET body = excluded.body;
    END IF;
    IF cardinality(messages_written) > 0 THEN
        INSERT INTO messages (id, project_id, thread_id, run_id, created_at, body)
        SELECT id, project_id, thread_id, run_id, created_at, body
        FROM unnest(messages_written) WHERE member <> ALL (left_out)
        ON CONFLICT (id) DO UPDATE SET body = excluded.body WHERE messages.deleted_at IS NULL;
    END IF;
    RETURN left_out;
END $$;
