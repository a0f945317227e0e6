-- What tells the configurations of replicas apart, so that each sees whether the others have another
-- one.
ALTER TABLE instance ADD COLUMN configuration text COLLATE "C";
