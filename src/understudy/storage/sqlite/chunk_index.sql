-- One file per vector store. Nothing here is the truth: it can be made anew from the files.

-- An edition is one writing of an entry. Only published editions are found, one for each entry.
CREATE TABLE editions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL,
    published INTEGER,  -- its place among all publications; NULL while it is being written
    chunks INTEGER NOT NULL DEFAULT 0,
    text_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX editions_of_entries ON editions (entry);
CREATE UNIQUE INDEX editions_published ON editions (published);

-- How many editions were ever published, and how many published ones were dropped. The identity
-- tells this file from others that had its name before.
CREATE TABLE state (
    identity INTEGER NOT NULL,
    publications INTEGER NOT NULL,
    drops INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (random(), 0, 0);

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    edition INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    "start" INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    page_first INTEGER,
    page_last INTEGER,
    text BLOB NOT NULL  -- UTF-8, deflated
) STRICT;

-- Which ids the chunks of an edition have.
CREATE TABLE spans (
    edition INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL,
    first_ordinal INTEGER NOT NULL,
    PRIMARY KEY (edition, first_chunk)
) STRICT, WITHOUT ROWID;

-- Terms of chunks, under the ids of these, ready made: the tokenizer only parts them at the spaces.
CREATE VIRTUAL TABLE terms USING fts5(stems, tokenize = "ascii tokenchars '.'");

-- Vectors of consecutive chunks, one behind the other, all made by one model.
CREATE TABLE vectors (
    first_chunk INTEGER PRIMARY KEY,
    edition INTEGER NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;
CREATE INDEX vectors_of_editions ON vectors (edition, model, chunks);
CREATE INDEX vectors_counted ON vectors (model, dimensions, chunks);
