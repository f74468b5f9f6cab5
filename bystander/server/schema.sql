-- The job store as a new one is made. One of before is led here by migrations/, which are only
-- added to; tests/server/jobs/test_migrations.py holds that both ways end at the same tables.
-- In SQLite's words; bystander/server/postgres.py translates the types.

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    created REAL NOT NULL,
    lifetime REAL NOT NULL,
    expires REAL NOT NULL,
    video TEXT NOT NULL,
    keep TEXT NOT NULL DEFAULT '[]',
    mask TEXT NOT NULL DEFAULT '[]',
    condemned INTEGER NOT NULL DEFAULT 0,
    verdicts_digest TEXT NOT NULL DEFAULT '',
    result TEXT,
    unfulfilled TEXT,
    visitor TEXT NOT NULL DEFAULT '',
    network TEXT NOT NULL DEFAULT '',
    edits TEXT NOT NULL DEFAULT '',
    edits_revision INTEGER NOT NULL DEFAULT 0,
    share TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX projects_of_owner ON projects (owner);
CREATE INDEX projects_by_share ON projects (share);

CREATE TABLE photos (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
    person TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    faces TEXT NOT NULL,
    chosen INTEGER,
    problem TEXT
) STRICT;
CREATE INDEX photos_of_project ON photos (project);

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    work TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    expected REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    resumed INTEGER NOT NULL DEFAULT 0,
    preview INTEGER NOT NULL DEFAULT 0,
    progress TEXT,
    problem TEXT,
    summary TEXT,
    cancelling INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    runner TEXT,
    lease TEXT
) STRICT;
CREATE INDEX jobs_of_project ON jobs (project);
CREATE INDEX jobs_by_state ON jobs (state);

-- Who runs jobs: one that stops counting its beats is dead, and others take its jobs.
CREATE TABLE runners (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    slots INTEGER NOT NULL,
    beats INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The data folder that belongs to this database: one row.
CREATE TABLE data_folder (id TEXT PRIMARY KEY) STRICT;

-- Apart from projects, so that deleting them wins nobody a place in the queue.
CREATE TABLE served (owner TEXT PRIMARY KEY, turn INTEGER NOT NULL) STRICT;

CREATE TABLE litter (path TEXT PRIMARY KEY) STRICT;

CREATE TABLE speeds (key TEXT PRIMARY KEY, value REAL NOT NULL, count INTEGER NOT NULL) STRICT;

-- What is to be told when a job ends: `due` is when the next try may begin, null before the end.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL UNIQUE REFERENCES jobs (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    project_url TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL
) STRICT;
CREATE INDEX webhooks_by_due ON webhooks (due);

-- Which requests were answered already. Keys as digests; of a request only a code that needs the
-- key, of the answer only where to look: neither holds a name.
CREATE TABLE idempotency_keys (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    location TEXT NOT NULL,
    created REAL NOT NULL,
    UNIQUE (owner, key)
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created);
