-- Sessions, their logs, and the turns that answer them.
-- Times are integer milliseconds since 1970. Rowid tables on purpose: with rows of 1.5 kB a
-- WITHOUT ROWID table wrote 5.0 kB a turn where a rowid table with an index wrote 2.8 to 3.4.

CREATE TABLE sessions (
    id            TEXT    NOT NULL PRIMARY KEY,
    owner_id      TEXT    NOT NULL,
    title         TEXT    NOT NULL DEFAULT '',
    created_at    INTEGER NOT NULL,
    last_activity INTEGER NOT NULL,
    message_count INTEGER NOT NULL DEFAULT 0,
    epoch         TEXT    NOT NULL,
    head_seq      INTEGER NOT NULL DEFAULT 0,
    leaf_seq      INTEGER NOT NULL DEFAULT 0,
    pinned        INTEGER NOT NULL DEFAULT 0,
    archived_at   INTEGER,
    deleted_at    INTEGER,
    metadata      TEXT    NOT NULL DEFAULT '{}'
) STRICT;

-- The three lists of a person: active, archived, trash; each newest activity first.
CREATE INDEX sessions_active   ON sessions (owner_id, last_activity DESC, id DESC)
    WHERE deleted_at IS NULL AND archived_at IS NULL;
CREATE INDEX sessions_archived ON sessions (owner_id, last_activity DESC, id DESC)
    WHERE deleted_at IS NULL AND archived_at IS NOT NULL;
CREATE INDEX sessions_trash    ON sessions (owner_id, last_activity DESC, id DESC)
    WHERE deleted_at IS NOT NULL;
-- What expiry and the emptying of the trash look for, over all owners.
CREATE INDEX sessions_idle     ON sessions (last_activity) WHERE deleted_at IS NULL AND archived_at IS NULL AND pinned = 0;
CREATE INDEX sessions_deleted  ON sessions (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE messages (
    session_id    TEXT    NOT NULL REFERENCES sessions (id),
    seq           INTEGER NOT NULL,
    parent_seq    INTEGER NOT NULL,
    id            TEXT    NOT NULL,
    owner_id      TEXT    NOT NULL,
    client_msg_id TEXT,
    turn_id       TEXT,
    attempt       INTEGER,
    role          TEXT    NOT NULL,
    status        TEXT,
    message_data  TEXT    NOT NULL,
    timestamp     INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX messages_seq ON messages (session_id, seq);
CREATE UNIQUE INDEX messages_client_msg_id ON messages (owner_id, session_id, client_msg_id)
    WHERE client_msg_id IS NOT NULL;

-- One row a turn; `attempt` is the current one and `answer_seq` the message that ended it.
CREATE TABLE turns (
    session_id  TEXT    NOT NULL REFERENCES sessions (id),
    id          TEXT    NOT NULL,
    owner_id    TEXT    NOT NULL,
    user_seq    INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    answer_seq  INTEGER,
    lease_owner TEXT,
    lease_until INTEGER,
    partial     TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX turns_id ON turns (session_id, id);
CREATE INDEX turns_unfinished ON turns (session_id, position) WHERE status IN ('queued', 'running');
CREATE UNIQUE INDEX turns_running ON turns (session_id) WHERE status = 'running';

-- Ids of sessions that were erased: an id is never used again.
CREATE TABLE purged_sessions (id TEXT NOT NULL PRIMARY KEY) STRICT;

-- One row that the readiness check rewrites to prove that a durable write works.
CREATE TABLE durability_check (only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1), count INTEGER NOT NULL) STRICT;
INSERT INTO durability_check VALUES (1, 0);
