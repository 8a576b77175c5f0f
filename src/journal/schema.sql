-- The journal of one run. All times are milliseconds since 1970, UTC.

-- What the run is: written once, when the list is frozen. `rows_sha256` is the
-- digest of the frozen list: its IDs with their lines, and its rejected rows.
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows of the input that gave no ID to send.
CREATE TABLE reject (
    line   INTEGER NOT NULL,
    value  TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- The batches. The list's own are 1 to n and have no parent; parts of a
-- divided batch come after them.
CREATE TABLE batch (
    id            INTEGER PRIMARY KEY,
    path          TEXT NOT NULL,
    parent        INTEGER REFERENCES batch (id),
    root          INTEGER NOT NULL,
    ids           INTEGER NOT NULL,
    first_line    INTEGER NOT NULL,
    last_line     INTEGER NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'in_flight', 'revoked', 'refused',
                                                 'missing', 'exhausted', 'unknown', 'divided')),
    reason        TEXT NOT NULL DEFAULT '',
    message       TEXT NOT NULL DEFAULT '',
    http_status   INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    first_sent_at INTEGER,
    settled_at    INTEGER,
    verified      TEXT NOT NULL DEFAULT '',
    -- 1: these IDs have to be read before the run is finished
    owed          INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The IDs of each batch, as JSON arrays, apart from what changes.
-- `lines` is empty where the lines follow one another from `first_line`.
--   SELECT value FROM member, json_each(ids) WHERE batch = 7;
CREATE TABLE member (
    batch INTEGER PRIMARY KEY REFERENCES batch (id),
    ids   TEXT NOT NULL,
    lines TEXT NOT NULL
) STRICT;

-- Each time somebody ran or resumed this run.
CREATE TABLE process (
    id              INTEGER PRIMARY KEY,
    command         TEXT NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    outcome         TEXT,
    exit_code       INTEGER,
    pid             INTEGER NOT NULL,
    host            TEXT NOT NULL,
    operator        TEXT NOT NULL,
    version         TEXT NOT NULL,
    settings        TEXT NOT NULL,
    explanation     TEXT NOT NULL DEFAULT '',
    -- where it was deferred: when it makes sense to carry on
    resume_at       INTEGER,
    waited_rate     INTEGER NOT NULL DEFAULT 0,
    waited_retry    INTEGER NOT NULL DEFAULT 0,
    waited_penalty  INTEGER NOT NULL DEFAULT 0,
    waited_lockout  INTEGER NOT NULL DEFAULT 0,
    waited_window   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Every call that was sent or may have been sent. `answered_at` is empty
-- where the process ended before an answer was recorded.
CREATE TABLE call (
    id          INTEGER PRIMARY KEY,
    process     INTEGER NOT NULL REFERENCES process (id),
    kind        TEXT NOT NULL CHECK (kind IN ('revoke', 'read', 'login', 'renew')),
    batch       INTEGER REFERENCES batch (id),
    ids         INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    answered_at INTEGER,
    elapsed_us  INTEGER,
    http_status INTEGER,
    verdict     TEXT NOT NULL DEFAULT '',
    message     TEXT NOT NULL DEFAULT ''
) STRICT;

-- Each wait that stopped every call. `detail` says more of the cause: the
-- status of the answer, or the window's name. `ended_at` is empty until a call
-- went after it.
CREATE TABLE hold (
    id       INTEGER PRIMARY KEY,
    process  INTEGER NOT NULL REFERENCES process (id),
    cause    TEXT NOT NULL CHECK (cause IN ('penalty', 'lockout', 'window')),
    detail   TEXT NOT NULL DEFAULT '',
    began_at INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    full_ms  INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;

-- Each token that calls bore, in order; the token itself is nowhere.
-- `expires_at` is empty where it is not known.
CREATE TABLE token (
    id         INTEGER PRIMARY KEY,
    process    INTEGER NOT NULL REFERENCES process (id),
    provenance TEXT NOT NULL CHECK (provenance IN ('given', 'file', 'command', 'kept', 'login',
                                                   'renewal')),
    borne_at   INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

-- What a guard found against sending this list: it holds the run until a
-- person approves. `figures` is a JSON object; `excluded` the IDs that must
-- not be revoked, as a JSON array.
CREATE TABLE breach (
    id       INTEGER PRIMARY KEY,
    guard    TEXT NOT NULL CHECK (guard IN ('max-ids', 'max-growth', 'exclude', 'max-age')),
    at       INTEGER NOT NULL,
    figures  TEXT NOT NULL,
    excluded TEXT NOT NULL DEFAULT '[]',
    approval INTEGER REFERENCES approval (id)
) STRICT;

-- Each time a person released what held the run.
CREATE TABLE approval (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    operator TEXT NOT NULL,
    host     TEXT NOT NULL,
    digest   TEXT NOT NULL
) STRICT;

-- What a verification found, against what was claimed: a row for each batch
-- and finding. `some` is empty where it was found so of all IDs of the batch,
-- and a JSON array of those IDs otherwise. A later verification leaves the
-- rows of earlier ones.
CREATE TABLE evidence (
    process INTEGER NOT NULL REFERENCES process (id),
    root    INTEGER NOT NULL,
    batch   INTEGER NOT NULL REFERENCES batch (id),
    claimed TEXT NOT NULL,
    found   TEXT NOT NULL CHECK (found IN ('revoked', 'active', 'declined', 'absent',
                                           'unreadable')),
    ids     INTEGER NOT NULL,
    some    TEXT NOT NULL,
    PRIMARY KEY (process, root, batch, found)
) STRICT, WITHOUT ROWID;

-- How a permission was shown before this run first sent it, where that was
-- read (--read-first): with this a mistaken sweep can be granted again. The
-- first sight of an ID is kept; names and addresses never are.
CREATE TABLE sighting (
    permission_id INTEGER PRIMARY KEY,
    account_id    INTEGER,
    user_id       INTEGER,
    status        TEXT NOT NULL
) STRICT;

-- There is one more table, `log_state`: its one row says whether this file
-- needs the write-ahead log beside it.
