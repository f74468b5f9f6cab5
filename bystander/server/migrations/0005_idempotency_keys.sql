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
