-- Up to where the deliveries that lie beside the database are in it: a segment and a position. One
-- row.
CREATE TABLE intake (
    segment INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT;
INSERT INTO intake VALUES (0, 0);
