-- Sessions, their logs, and the turns that answer them. The tables live in a schema of their own.
-- Times are integer milliseconds since 1970. JSON is kept as text: what comes back is what went in,
-- and U+0000 survives in it, which neither jsonb nor a plain text column can hold.
-- Text that is ordered or compared is of collation "C", the order of its bytes, on every server alike.

CREATE TABLE sessions (
    id            text COLLATE "C" NOT NULL PRIMARY KEY,
    owner_id      text COLLATE "C" NOT NULL,
    title         text    NOT NULL DEFAULT '',
    created_at    bigint  NOT NULL,
    last_activity bigint  NOT NULL,
    message_count bigint  NOT NULL DEFAULT 0,
    epoch         text    NOT NULL,
    head_seq      bigint  NOT NULL DEFAULT 0,
    leaf_seq      bigint  NOT NULL DEFAULT 0,
    pinned        boolean NOT NULL DEFAULT false,
    archived_at   bigint,
    deleted_at    bigint,
    metadata      text    NOT NULL DEFAULT '{}',
    folded_title  text COLLATE "C" NOT NULL DEFAULT ''
) WITH (fillfactor = 70);  -- room to rewrite a row that every append changes beside itself

-- The three lists of a person: active, archived, trash; each newest activity first.
CREATE INDEX sessions_active   ON sessions (owner_id, last_activity DESC, id DESC)
    WHERE deleted_at IS NULL AND archived_at IS NULL;
CREATE INDEX sessions_archived ON sessions (owner_id, last_activity DESC, id DESC)
    WHERE deleted_at IS NULL AND archived_at IS NOT NULL;
CREATE INDEX sessions_trash    ON sessions (owner_id, last_activity DESC, id DESC)
    WHERE deleted_at IS NOT NULL;
-- What expiry and the emptying of the trash look for, over all owners.
CREATE INDEX sessions_idle     ON sessions (last_activity) WHERE deleted_at IS NULL AND archived_at IS NULL AND NOT pinned;
CREATE INDEX sessions_deleted  ON sessions (deleted_at) WHERE deleted_at IS NOT NULL;

-- No foreign keys: every verb that writes here holds the lock of the session's row, which they would
-- take once more for each message.
CREATE TABLE messages (
    session_id    text COLLATE "C" NOT NULL,
    seq           bigint  NOT NULL,
    parent_seq    bigint  NOT NULL,
    id            text    NOT NULL,
    owner_id      text COLLATE "C" NOT NULL,
    client_msg_id text COLLATE "C",
    turn_id       text COLLATE "C",
    attempt       bigint,
    role          text    NOT NULL,
    status        text,
    message_data  text    NOT NULL,
    timestamp     bigint  NOT NULL
);

CREATE UNIQUE INDEX messages_seq ON messages (session_id, seq);
CREATE UNIQUE INDEX messages_client_msg_id ON messages (owner_id, session_id, client_msg_id)
    WHERE client_msg_id IS NOT NULL;

-- One row a turn; `attempt` is the current one, `answer_seq` the message that ended it, and `partial`
-- a JSON string.
CREATE TABLE turns (
    session_id  text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    owner_id    text COLLATE "C" NOT NULL,
    user_seq    bigint NOT NULL,
    position    bigint NOT NULL,
    attempt     bigint NOT NULL,
    status      text   NOT NULL,
    answer_seq  bigint,
    lease_owner text,
    lease_until bigint,
    partial     text   NOT NULL DEFAULT '""'
);

CREATE UNIQUE INDEX turns_id ON turns (session_id, id);
CREATE INDEX turns_unfinished ON turns (session_id, position) WHERE status IN ('queued', 'running');
CREATE UNIQUE INDEX turns_running ON turns (session_id) WHERE status = 'running';

-- Ids of sessions that were erased: an id is never used again.
CREATE TABLE purged_sessions (id text COLLATE "C" NOT NULL PRIMARY KEY);

-- One row that the readiness check rewrites to prove that a durable write works.
CREATE TABLE durability_check (only_row integer NOT NULL PRIMARY KEY CHECK (only_row = 1), count bigint NOT NULL);
INSERT INTO durability_check VALUES (1, 0);
