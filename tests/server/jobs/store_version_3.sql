-- The dump of a store of version 3 (28 November 2026): a project with its video, a photo, and a
-- job that waits.
BEGIN TRANSACTION;
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
            not_before REAL NOT NULL DEFAULT 0
        ) STRICT;
INSERT INTO "jobs" VALUES(1,'cccccccccccccccccccccccccccccccc','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','ann','mask','queued','{"kind": "mask"}',1795905346.5,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,0,0.0);
CREATE TABLE litter (path TEXT PRIMARY KEY) STRICT;
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
INSERT INTO "photos" VALUES(1,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','Annabel Quartermain',40,30,'[{"box":[1.0,2.0,11.0,14.0],"quality":0.8}]',0,'null');
CREATE TABLE projects (
            id TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            created REAL NOT NULL,
            lifetime REAL NOT NULL,
            expires REAL NOT NULL,
            video TEXT NOT NULL,
            keep TEXT NOT NULL DEFAULT '[]',
            mask TEXT NOT NULL DEFAULT '[]',
            condemned INTEGER NOT NULL DEFAULT 0
        , verdicts_digest TEXT NOT NULL DEFAULT '', result TEXT, unfulfilled TEXT, visitor TEXT NOT NULL DEFAULT '', network TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "projects" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','ann',1795905345.5,86400.0,4102444800.0,'{"state":"ready","size":15,"received":15,"facts":null,"posters":0,"problem":null}','[]','[]',0,'',NULL,NULL,'','');
CREATE TABLE served (owner TEXT PRIMARY KEY, turn INTEGER NOT NULL) STRICT;
CREATE TABLE speeds (key TEXT PRIMARY KEY, value REAL NOT NULL, count INTEGER NOT NULL) STRICT;
CREATE INDEX projects_of_owner ON projects (owner);
CREATE INDEX photos_of_project ON photos (project);
CREATE INDEX jobs_of_project ON jobs (project);
CREATE INDEX jobs_by_state ON jobs (state);
PRAGMA user_version = 3;
COMMIT;
