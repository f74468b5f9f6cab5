ALTER TABLE projects ADD COLUMN verdicts_digest TEXT NOT NULL DEFAULT '';
-- A result of before has neither job nor digest, so nobody can tell what it shows: it is to be
-- rendered again.
ALTER TABLE projects ADD COLUMN result TEXT;
ALTER TABLE projects ADD COLUMN unfulfilled TEXT;
