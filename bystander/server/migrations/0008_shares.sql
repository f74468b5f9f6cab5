ALTER TABLE projects ADD COLUMN share TEXT NOT NULL DEFAULT '';
CREATE INDEX projects_by_share ON projects (share);
