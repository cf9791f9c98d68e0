//! The journal's tables: which fact of a request or an attempt is kept in which column.
//!
//! An attempt's row repeats the facts of its request. That costs some 150 bytes a row, and it
//! means that a row is complete on its own: after a `kill -9` half-way through a request, what
//! was acknowledged can still say which model, endpoint and SDK it was about.
//!
//! Times and durations are whole microseconds, words are the public spellings, and there is no
//! column for a body, a header or a key. Every value is bound; no statement is put together from
//! text at run time.

use std::time::Duration;

use rusqlite::{CachedStatement, params};
use seawall_core::event::{Attempt, Ended, Request};

/// The layout below, in SQLite's `user_version`; a file with a higher one is left alone.
pub(super) const VERSION: i64 = 2;
/// Marks a file as ours in SQLite's `application_id`: "SWLJ" in ASCII.
pub(super) const APPLICATION: i64 = 0x5357_4c4a;

/// The tables of incidents: how each stands, what was told of it, and all that is known, for the next process.
macro_rules! incidents_create {
    () => {
        "
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, upstream TEXT, model TEXT, route TEXT, rule TEXT NOT NULL,
    severity TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, opened INTEGER NOT NULL, updated INTEGER NOT NULL,
    closed INTEGER, close TEXT, flaps INTEGER NOT NULL, window_failed INTEGER NOT NULL, window_of INTEGER NOT NULL,
    whole_failed INTEGER NOT NULL, whole_of INTEGER NOT NULL, under TEXT, samples TEXT NOT NULL, differences TEXT NOT NULL,
    page TEXT, acknowledged INTEGER, told TEXT
) STRICT;
CREATE TABLE incident_events (
    id INTEGER PRIMARY KEY, incident TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL, severity TEXT NOT NULL,
    failed INTEGER NOT NULL, requests INTEGER NOT NULL, under TEXT, UNIQUE (incident, what, at)
) STRICT;
CREATE TABLE state (name TEXT PRIMARY KEY, saved INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
"
    };
}

/// The tables of incidents, for who wants to know a file without them.
#[cfg(test)]
pub(super) const INCIDENTS: &str = incidents_create!();

/// Creates the tables and marks the file; runs as one transaction.
///
/// `id` grows with every row, so that the oldest row is the first, and pruning takes a prefix.
/// The client's own ids have no index: each one costs a tenth of a row, and they are seldom asked
/// for. `incident` is filled in by an
/// incident that is open when the attempt fails, or that opens because of it.
pub(super) const CREATE: &str = concat!(
    "
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    request TEXT NOT NULL, number INTEGER NOT NULL, began INTEGER NOT NULL, upstream TEXT NOT NULL,
    endpoint TEXT NOT NULL, method TEXT NOT NULL, model TEXT, stream INTEGER NOT NULL, tools INTEGER NOT NULL,
    max_tokens INTEGER, body_bytes INTEGER NOT NULL, shape TEXT NOT NULL, sdk TEXT, client_retries INTEGER NOT NULL,
    tag TEXT, client TEXT,
    status INTEGER, class TEXT NOT NULL, whose TEXT NOT NULL, fault TEXT, billed TEXT NOT NULL,
    error_type TEXT, error_code TEXT, message TEXT, upstream_request_id TEXT, client_request_id TEXT,
    processing_ms INTEGER, organization TEXT, project TEXT, cf_ray TEXT,
    elapsed INTEGER NOT NULL, first_content INTEGER, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
    reason TEXT NOT NULL, wait INTEGER, incident TEXT,
    billed_why TEXT, usage TEXT,
    input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, reasoning_tokens INTEGER,
    connection TEXT, connected INTEGER, secured INTEGER, sent INTEGER, first_byte INTEGER,
    UNIQUE (request, number)
) STRICT;
CREATE INDEX attempts_began ON attempts (began);
CREATE INDEX attempts_upstream_id ON attempts (upstream_request_id) WHERE upstream_request_id IS NOT NULL;
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    request TEXT NOT NULL UNIQUE, began INTEGER NOT NULL,
    endpoint TEXT NOT NULL, method TEXT NOT NULL, model TEXT, stream INTEGER NOT NULL, tools INTEGER NOT NULL,
    max_tokens INTEGER, body_bytes INTEGER NOT NULL, shape TEXT NOT NULL, sdk TEXT, client_retries INTEGER NOT NULL,
    tag TEXT, client TEXT,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, status INTEGER NOT NULL, attempts INTEGER NOT NULL,
    elapsed INTEGER NOT NULL, diagnosis TEXT, usage TEXT,
    input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, reasoning_tokens INTEGER
) STRICT;
",
    incidents_create!(),
    "PRAGMA application_id = 0x53574c4a;
PRAGMA user_version = 2;
"
);

/// Makes a file of layout 1 one of layout 2; runs as one transaction.
pub(super) const FROM_1: &str = concat!(
    "
ALTER TABLE requests ADD COLUMN diagnosis TEXT;
ALTER TABLE attempts ADD COLUMN billed_why TEXT;
ALTER TABLE attempts ADD COLUMN usage TEXT;
ALTER TABLE attempts ADD COLUMN input_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN output_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN cached_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN reasoning_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN connection TEXT;
ALTER TABLE attempts ADD COLUMN connected INTEGER;
ALTER TABLE attempts ADD COLUMN secured INTEGER;
ALTER TABLE attempts ADD COLUMN sent INTEGER;
ALTER TABLE attempts ADD COLUMN first_byte INTEGER;
ALTER TABLE requests ADD COLUMN usage TEXT;
ALTER TABLE requests ADD COLUMN input_tokens INTEGER;
ALTER TABLE requests ADD COLUMN output_tokens INTEGER;
ALTER TABLE requests ADD COLUMN cached_tokens INTEGER;
ALTER TABLE requests ADD COLUMN reasoning_tokens INTEGER;
",
    incidents_create!(),
    "PRAGMA user_version = 2;
"
);

/// Keeps one attempt; a second row for the same request and number changes nothing.
pub(super) const INSERT_ATTEMPT: &str = "
INSERT INTO attempts (request, number, began, upstream,
    endpoint, method, model, stream, tools, max_tokens, body_bytes, shape, sdk, client_retries, tag, client,
    status, class, whose, fault, billed, error_type, error_code, message, upstream_request_id, client_request_id,
    processing_ms, organization, project, cf_ray, elapsed, first_content, bytes_in, bytes_out, reason, wait, incident,
    billed_why, usage, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
    connection, connected, secured, sent, first_byte)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43,
    ?44, ?45, ?46, ?47, ?48)
ON CONFLICT (request, number) DO NOTHING";

/// Keeps one request; a second row for the same request changes nothing.
pub(super) const INSERT_REQUEST: &str = "
INSERT INTO requests (request, began, endpoint, method, model, stream, tools, max_tokens, body_bytes, shape, sdk,
    client_retries, tag, client, outcome, reason, status, attempts, elapsed, diagnosis,
    usage, input_tokens, output_tokens, cached_tokens, reasoning_tokens)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22, ?23, ?24, ?25)
ON CONFLICT (request) DO NOTHING";

/// Runs [`INSERT_ATTEMPT`]; the number of rows added, 0 or 1.
pub(super) fn insert_attempt(
    statement: &mut CachedStatement<'_>,
    request: &Request,
    attempt: &Attempt,
    incident: Option<&str>,
) -> rusqlite::Result<usize> {
    statement.execute(params![
        request.id,
        attempt.number,
        attempt.began_unix_micros,
        attempt.upstream,
        request.endpoint,
        request.method,
        request.model,
        request.stream,
        request.tools,
        request.max_tokens.map(whole),
        whole(request.body_bytes),
        request.shape,
        request.sdk,
        request.client_retries,
        request.tag,
        request.client,
        attempt.status,
        attempt.class.name(),
        attempt.whose.name(),
        attempt.fault.map(seawall_core::verdict::Fault::name),
        attempt.charge.billed().name(),
        attempt.error_type,
        attempt.error_code,
        attempt.message,
        attempt.upstream_request_id,
        attempt.client_request_id,
        attempt.processing_ms.map(whole),
        attempt.organization,
        attempt.project,
        attempt.cf_ray,
        micros(attempt.elapsed),
        attempt.first_content.map(micros),
        whole(attempt.bytes_in),
        whole(attempt.bytes_out),
        attempt.reason.name(),
        attempt.wait.map(micros),
        incident,
        attempt.charge.name(),
        attempt.tokens.counted.name(),
        attempt.tokens.usage.input,
        attempt.tokens.usage.output,
        attempt.tokens.usage.cached,
        attempt.tokens.usage.reasoning,
        attempt.phases.connection.map(seawall_core::event::Connection::name),
        attempt.phases.connected.map(micros),
        attempt.phases.secured.map(micros),
        attempt.phases.sent.map(micros),
        attempt.phases.first_byte.map(micros),
    ])
}

/// Runs [`INSERT_REQUEST`]; the number of rows added, 0 or 1.
pub(super) fn insert_request(
    statement: &mut CachedStatement<'_>,
    request: &Request,
    ended: &Ended,
) -> rusqlite::Result<usize> {
    statement.execute(params![
        request.id,
        request.began_unix_micros,
        request.endpoint,
        request.method,
        request.model,
        request.stream,
        request.tools,
        request.max_tokens.map(whole),
        whole(request.body_bytes),
        request.shape,
        request.sdk,
        request.client_retries,
        request.tag,
        request.client,
        ended.outcome.name(),
        ended.reason.name(),
        ended.status,
        ended.attempts,
        micros(ended.elapsed),
        ended.diagnosis.as_ref().map(|(_, text)| text),
        ended.tokens.counted.name(),
        ended.tokens.usage.input,
        ended.tokens.usage.output,
        ended.tokens.usage.cached,
        ended.tokens.usage.reasoning,
    ])
}

/// SQLite's integers are signed; a count beyond them is as good as their largest.
fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn micros(duration: Duration) -> i64 {
    whole(seawall_core::time::micros(duration))
}
