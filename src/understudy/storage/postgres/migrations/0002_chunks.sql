-- The index of chunks. Nothing here is the truth: it can be made anew from the files.

-- An edition is one writing of an entry: it is being written, then published or dropped. Only
-- published ones are found; what is dropped is deleted by and by.
CREATE TABLE chunk_editions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id text NOT NULL,
    entry bigint NOT NULL,
    version integer NOT NULL,  -- of what stands in the columns keys and terms
    state text NOT NULL DEFAULT 'written' CHECK (state IN ('written', 'published', 'dropped')),
    chunks integer NOT NULL DEFAULT 0,
    text_bytes bigint NOT NULL DEFAULT 0
);
CREATE INDEX chunk_editions_of_entries ON chunk_editions (store_id, entry);
CREATE UNIQUE INDEX chunk_editions_published ON chunk_editions (store_id, entry)
    WHERE state = 'published';
CREATE INDEX chunk_editions_hidden ON chunk_editions (store_id) WHERE state <> 'published';

-- Terms and text are deflated UTF-8, which may hold what the type text cannot. With the lowest
-- target all of it moves out of the row, so that many candidates stand on each page.
CREATE TABLE chunks (
    edition bigint NOT NULL,
    ordinal integer NOT NULL,
    "start" integer NOT NULL,
    "end" integer NOT NULL,
    tokens integer NOT NULL,
    page_first integer,
    page_last integer,
    keys bigint[] NOT NULL,  -- chunk_keys.py says what they stand for
    terms bytea NOT NULL,
    text bytea NOT NULL,
    PRIMARY KEY (edition, ordinal)
) WITH (toast_tuple_target = 128);
ALTER TABLE chunks
    ALTER COLUMN keys SET STORAGE EXTERNAL,
    ALTER COLUMN terms SET STORAGE EXTERNAL,
    ALTER COLUMN text SET STORAGE EXTERNAL;
-- Every search reads the list of what is pending, so it is kept short.
CREATE INDEX chunks_by_keys ON chunks USING gin (keys)
    WITH (fastupdate = on, gin_pending_list_limit = 256);

-- The vectors of an edition that one model made, all of one length. The vectors themselves are in
-- chunk_vectors, which is made where there is pgvector (chunk_vectors.py).
CREATE TABLE chunk_spaces (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    edition bigint NOT NULL REFERENCES chunk_editions ON DELETE CASCADE,
    model text NOT NULL,
    dimensions integer NOT NULL,
    chunks integer NOT NULL,
    UNIQUE (edition, model, dimensions)
);
