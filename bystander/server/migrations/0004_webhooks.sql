CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL UNIQUE REFERENCES jobs (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    project_url TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL
) STRICT;
CREATE INDEX webhooks_by_due ON webhooks (due);
