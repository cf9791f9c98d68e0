//! Rows for the tests: one failed attempt with every field set.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use seawall_core::event::{Attempt, Cause, Connection as Carrier, Ended, Outcome, Phases, Reason, Request, Vote};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::usage::{Counted, Tokens, Usage};
use seawall_core::verdict::{Charge, Class, Fault, Whose};

use super::sqlite::Database;
use super::writer::Writer;
use super::{Journal, QUEUE_MAX, Settings, Settled, Shared};

/// Longer than any commit should take; what ends here has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// When the tests began: rows of another day would be pruned.
static BEGAN: OnceLock<i64> = OnceLock::new();

/// The `n`-th request; a higher one arrived later.
pub(crate) fn request(n: i64) -> Arc<Request> {
    Arc::new(Request {
        id: format!("sw_{n:032x}"),
        began_unix_micros: *BEGAN.get_or_init(seawall::proxy::unix_micros) + n,
        endpoint: "chat_completions",
        method: "POST".to_owned(),
        model: Some("gpt-4o".to_owned()),
        stream: true,
        tools: 2,
        max_tokens: Some(256),
        body_bytes: 1_234,
        shape: "chat/stream/1k/tools".to_owned(),
        sdk: Some("openai-python 3.54.0".to_owned()),
        client_retries: 1,
        tag: Some("nightly".to_owned()),
        client: Some("team-a".to_owned()),
        route: None,
        form: 1,
        body: 1,
    })
}

/// A failed attempt, begun just now.
pub(crate) fn attempt(number: u32) -> Attempt {
    Attempt {
        number,
        began_unix_micros: seawall::proxy::unix_micros(),
        upstream: "openai".to_owned(),
        key: 0,
        status: Some(503),
        class: Class::Overloaded,
        whose: Whose::Provider,
        fault: Some(Fault::Status),
        charge: Charge::NoCapacity,
        tokens: Tokens::NONE,
        error_type: Some("server_error".to_owned()),
        error_code: Some("overloaded".to_owned()),
        message: Some("The engine is currently overloaded".to_owned()),
        upstream_request_id: Some(format!("req_up_{number}")),
        client_request_id: Some(format!("client-{number}")),
        processing_ms: Some(17),
        organization: Some("org-acme".to_owned()),
        project: Some("proj_acme".to_owned()),
        cf_ray: Some("8f00ba4-FRA".to_owned()),
        region: Some("FRA".to_owned()),
        elapsed: Duration::from_micros(81_250),
        first_content: Some(Duration::from_micros(80_000)),
        phases: Phases {
            connection: Some(Carrier::New),
            connected: Some(Duration::from_micros(12_000)),
            secured: Some(Duration::from_micros(43_000)),
            sent: Some(Duration::from_micros(43_120)),
            first_byte: Some(Duration::from_micros(79_500)),
        },
        bytes_in: 321,
        bytes_out: 0,
        reason: Reason::Retry,
        wait: Some(Duration::from_millis(750)),
    }
}

/// A request that failed in the end.
pub(crate) fn ended(attempts: u32) -> Ended {
    Ended {
        outcome: Outcome::Exhausted,
        reason: Reason::Attempts,
        status: 503,
        attempts,
        elapsed: Duration::from_micros(1_500_000),
        upstream: Some(UpstreamId(0)),
        tokens: Tokens {
            usage: Usage { input: Some(1_200), output: Some(34), cached: Some(1_024), reasoning: None },
            counted: Counted::Estimated,
        },
        diagnosis: Some((Cause::Cliff, "requests of this form fail after 60.1 s".into())),
        route: None,
        first: Some((UpstreamId(0), Vote::Fail)),
    }
}

/// Every text that the journal may hold of these.
pub(crate) fn texts(request: &Request, attempt: &Attempt, ended: &Ended) -> BTreeSet<String> {
    let plain = [&request.id, &request.method, &request.shape, &attempt.upstream];
    let maybe = [
        &request.model,
        &request.sdk,
        &request.tag,
        &request.client,
        &attempt.error_type,
        &attempt.error_code,
        &attempt.message,
        &attempt.upstream_request_id,
        &attempt.client_request_id,
        &attempt.organization,
        &attempt.project,
        &attempt.cf_ray,
    ];
    let words = [
        request.endpoint,
        attempt.class.name(),
        attempt.whose.name(),
        attempt.charge.billed().name(),
        attempt.charge.name(),
        attempt.tokens.counted.name(),
        ended.tokens.counted.name(),
        attempt.reason.name(),
        attempt.phases.connection.map_or("", Carrier::name),
        ended.outcome.name(),
        ended.reason.name(),
    ];
    let found = ended.diagnosis.as_ref().map(|(_, text)| text.to_string());
    let words = words.into_iter().chain(attempt.fault.map(Fault::name)).map(str::to_owned);
    plain.into_iter().chain(maybe.into_iter().flatten()).cloned().chain(words).chain(found).collect()
}

/// Waits for [`Journal::settle`].
pub(crate) fn settled(journal: &Journal, request: &Request) -> Settled {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let asked = journal.settle(request);
    runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await.expect("the writer answers") })
}

/// The journal at `path`, with the defaults.
pub(crate) fn open(path: &Path) -> Journal {
    Journal::open(path, Settings::default()).unwrap().0
}

/// A journal whose queue nobody reads until the writer is run.
pub(super) fn unread(path: &Path) -> (Journal, Writer) {
    let (queue, messages) = sync_channel(QUEUE_MAX);
    let (alive, _) = sync_channel(0);
    let shared = Arc::new(Shared::new());
    let (database, _) = Database::open(path, &Settings::default()).unwrap();
    let settings = Settings::default();
    let writer = Writer::new(messages, Arc::clone(&shared), path.to_owned(), settings, Some(database), alive);
    let (thread, remembered) = (Arc::new(Mutex::new(None)), Arc::default());
    (Journal { queue, shared, thread, remembered, path: path.into() }, writer)
}

/// The attempts that another connection sees.
pub(super) fn count(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row("SELECT count(*) FROM attempts", [], |r| r.get(0)).unwrap()
}

/// Returns when `holds` does.
#[expect(clippy::disallowed_methods, reason = "a deadline for a condition")]
pub(super) fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came true");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
