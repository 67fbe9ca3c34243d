-- A database as schema 1 left it, with rows of every kind. Made once, by version 1, and never changed.

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

INSERT INTO sessions (id, owner_id, title, created_at, last_activity, message_count, epoch, head_seq, leaf_seq, pinned, archived_at, deleted_at, metadata) VALUES
    ('talk', 'ada', 'A talk', 1767225600000, 1767225605000, 5, 'AaIFheiYdyqYyachSxulSA', 5, 5, 0, NULL, NULL, '{"colour":"blue","n":[1,null,"ü"]}');
INSERT INTO sessions (id, owner_id, title, created_at, last_activity, message_count, epoch, head_seq, leaf_seq, pinned, archived_at, deleted_at, metadata) VALUES
    ('kept', 'ada', 'In the archive', 1767225606000, 1767225606000, 0, 'AaIFhei4daCECNH7Jj8ndg', 0, 0, 1, 1767225607000, NULL, '{}');
INSERT INTO sessions (id, owner_id, title, created_at, last_activity, message_count, epoch, head_seq, leaf_seq, pinned, archived_at, deleted_at, metadata) VALUES
    ('trashed', 'ada', 'In the trash', 1767225608000, 1767225609000, 1, 'AaIFhejAdH-LVUs2lyMe1Q', 1, 1, 0, NULL, 1767225610000, '{}');
INSERT INTO sessions (id, owner_id, title, created_at, last_activity, message_count, epoch, head_seq, leaf_seq, pinned, archived_at, deleted_at, metadata) VALUES
    ('theirs', 'bob', 'Of another', 1767225611000, 1767225612000, 1, 'AaIFhejMcQifBPcS9Obu4Q', 1, 1, 0, NULL, NULL, '{}');
INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp) VALUES
    ('talk', 1, 0, 'AaIFheiccdK9HFlx6_r3jQ', 'ada', 'key-1', 'turn-1', NULL, 'user', NULL, '{"parts":[{"type":"text","text":"Why is the sky blue?"}]}', 1767225601000);
INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp) VALUES
    ('talk', 2, 1, 'AaIFheigcgifbethGc9Niw', 'ada', NULL, 'turn-1', 1, 'assistant', 'failed', '{"parts":[{"type":"text","text":"It is not."}]}', 1767225602000);
INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp) VALUES
    ('talk', 3, 1, 'AaIFheiocPCnTFBD02KeqA', 'ada', NULL, 'turn-1', 2, 'assistant', 'complete', '{"parts":[{"type":"text","text":"Rayleigh scattering. 🌌"}]}', 1767225603000);
INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp) VALUES
    ('talk', 4, 3, 'AaIFheiscAig4zykQhX1Xg', 'ada', 'key-2', 'turn-2', NULL, 'user', NULL, '{"parts":[{"type":"text","text":"And now?"}]}', 1767225604000);
INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp) VALUES
    ('talk', 5, 4, 'AaIFhei0cg-htFRP0t7mkQ', 'ada', 'key-3', 'turn-3', NULL, 'user', NULL, '{"parts":[{"type":"text","text":"Waiting"}]}', 1767225605000);
INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp) VALUES
    ('trashed', 1, 0, 'AaIFhejEd4SHOfDIEuzRpA', 'ada', NULL, NULL, NULL, 'user', NULL, '{"parts":[{"type":"text","text":"Bye"}]}', 1767225609000);
INSERT INTO messages (session_id, seq, parent_seq, id, owner_id, client_msg_id, turn_id, attempt, role, status, message_data, timestamp) VALUES
    ('theirs', 1, 0, 'AaIFhejQcH22hajISLknJQ', 'bob', NULL, NULL, NULL, 'user', NULL, '{"parts":[{"type":"text","text":"Mine"}]}', 1767225612000);
INSERT INTO turns (session_id, id, owner_id, user_seq, position, attempt, status, answer_seq, lease_owner, lease_until, partial) VALUES
    ('talk', 'turn-1', 'ada', 1, 1, 2, 'complete', 3, NULL, NULL, '');
INSERT INTO turns (session_id, id, owner_id, user_seq, position, attempt, status, answer_seq, lease_owner, lease_until, partial) VALUES
    ('talk', 'turn-2', 'ada', 4, 1, 1, 'running', NULL, 'worker', 1767225660000, 'Now it');
INSERT INTO turns (session_id, id, owner_id, user_seq, position, attempt, status, answer_seq, lease_owner, lease_until, partial) VALUES
    ('talk', 'turn-3', 'ada', 5, 2, 1, 'queued', NULL, NULL, NULL, '');
INSERT INTO purged_sessions (id) VALUES
    ('gone');

PRAGMA application_id = 1128878152;
PRAGMA user_version = 1;
