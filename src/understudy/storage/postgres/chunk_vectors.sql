-- Where there is pgvector. Half precision says as much for ranking, and takes half the time to
-- read. A vector of up to 4,000 numbers stays in its row, which is read twice as fast as well.
CREATE TABLE IF NOT EXISTS chunk_vectors (
    space bigint NOT NULL REFERENCES chunk_spaces ON DELETE CASCADE,
    ordinal integer NOT NULL,
    meaning halfvec NOT NULL,
    PRIMARY KEY (space, ordinal)
);
ALTER TABLE chunk_vectors ALTER COLUMN meaning SET STORAGE MAIN;
