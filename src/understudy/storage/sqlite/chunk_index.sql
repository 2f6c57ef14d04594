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

-- How many editions were ever published, and how many published ones were dropped.
CREATE TABLE state (
    publications INTEGER NOT NULL,
    drops INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (0, 0);

-- Ids are never used again: segments remember them for a while when the chunk is gone.
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

-- The chunks from first_chunk to last_chunk, by their terms. Segments do not overlap, nor lie in
-- two pages of 65,536 ids.
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    edition INTEGER,  -- NULL once published
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    dropped BLOB  -- a bit for each chunk of the page; NULL when none was
) STRICT;
CREATE INDEX segments_in_order ON segments (first_chunk);

-- hits: the chunks that have the term, as places in their page of 16 bits, little-endian, in order;
-- then the weight of the term in each of them, one byte each.
CREATE TABLE postings (
    segment INTEGER NOT NULL,
    term TEXT NOT NULL,
    hits BLOB NOT NULL,
    PRIMARY KEY (segment, term)
) STRICT, WITHOUT ROWID;

-- Vectors of consecutive chunks, one behind the other.
CREATE TABLE vectors (
    first_chunk INTEGER PRIMARY KEY,
    edition INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;
CREATE INDEX vectors_of_editions ON vectors (edition);
