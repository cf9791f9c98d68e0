use super::super::read::{JournalArgs, Journals, Reader};
use super::super::samples::{PATIENCE, attempt, count, ended, open, request, settled, texts, until};
use super::super::schema::INCIDENTS;
use super::super::{Journal, Settled};
use super::*;

#[test]
fn what_is_no_journal_is_moved_aside_and_said() {
    let foreign = |path: &Path| {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    };
    let garbage = |path: &Path| fs::write(path, vec![0x5a; 20_000]).unwrap();
    let damaged = |path: &Path| {
        let journal = open(path);
        for n in 0..500 {
            journal.attempt(&request(n), attempt(1));
        }
        journal.close(PATIENCE);
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle - 8_192..middle + 8_192].fill(0xff);
        fs::write(path, bytes).unwrap();
    };
    for what in ["foreign", "garbage", "damaged"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        match what {
            "foreign" => foreign(&path),
            "garbage" => garbage(&path),
            _ => damaged(&path),
        }
        let before = fs::read(&path).unwrap();
        let (journal, opened) = Journal::open(&path, Settings::default()).unwrap();
        let Opened::MovedAside { to, why } = opened else { panic!("{what}: {opened:?}") };
        assert!(to.file_name().unwrap().to_str().unwrap().starts_with("journal.db.corrupt-2"), "{what}: {to:?}");
        assert_eq!(fs::read(&to).unwrap(), before, "{what}: not a byte is lost ({why})");
        let request = request(1);
        journal.attempt(&request, attempt(1));
        assert_eq!(settled(&journal, &request), Settled::Durable, "{what}");
    }
}

#[test]
fn a_file_of_the_first_layout_is_read_and_goes_on_as_one_of_this() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    const TOKENS: &str = "input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, reasoning_tokens INTEGER";
    const PHASES: &str = "connection TEXT, connected INTEGER, secured INTEGER, sent INTEGER, first_byte INTEGER";
    let mut first = CREATE.to_owned();
    for (now, then) in [
        (INCIDENTS.to_owned(), ""),
        (format!(", diagnosis TEXT, usage TEXT,\n    {TOKENS}"), ""),
        (format!("    billed_why TEXT, usage TEXT,\n    {TOKENS},\n"), ""),
        (format!("    {PHASES},\n"), ""),
        ("user_version = 2".to_owned(), "user_version = 1"),
    ] {
        assert!(first.contains(&now), "{now}");
        first = first.replace(&now, then);
    }
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&first).unwrap();
    old.execute(
        "INSERT INTO requests VALUES (1, 'sw_1', ?1, 'chat_completions', 'POST', NULL, 0, 0, NULL, 2, 's', NULL, 0,
            NULL, NULL, 'exhausted', 'attempts', 503, 4, 9)",
        [request(1).began_unix_micros],
    )
    .unwrap();
    old.execute(
        "INSERT INTO attempts (request, number, began, upstream, endpoint, method, stream, tools, body_bytes, shape,
            client_retries, class, whose, billed, elapsed, bytes_in, bytes_out, reason) VALUES ('sw_1', 1, ?1, 'openai',
            'chat_completions', 'POST', 0, 0, 2, 's', 0, 'server_error', 'provider', 'possibly', 9, 0, 0, 'attempts')",
        [request(1).began_unix_micros],
    )
    .unwrap();
    drop(old);
    let found = || {
        let reader = Reader::open(&path).unwrap().expect("a journal");
        reader.requests("sw_1").unwrap().remove(0).ended
    };
    // By a reader, before the gateway of this layout has been there.
    let args = JournalArgs { data_dir: None, journal: Some(path.clone()) };
    let journals = Journals::open(&args, None).unwrap();
    let costs = journals.costs(i64::MIN, i64::MAX).unwrap();
    assert_eq!((costs.len(), costs[0].attempts, costs[0].usage.clone(), costs[0].input), (1, 1, None, 0));
    assert_eq!((journals.minutes(i64::MIN, i64::MAX).unwrap(), journals.first_minute().unwrap()), (vec![], None));
    assert_eq!((found().status, found().diagnosis), (Some(503), None));
    let (journal, opened) = Journal::open(&path, Settings::default()).unwrap();
    assert!(!matches!(opened, Opened::MovedAside { .. }), "{opened:?}");
    let later = request(7);
    journal.attempt(&later, attempt(1));
    journal.request(&later, ended(1));
    assert_eq!(settled(&journal, &later), Settled::Durable);
    assert_eq!((found().status, found().diagnosis), (Some(503), None));
    let reader = Reader::open(&path).unwrap().expect("a journal");
    let now = reader.requests(&later.id).unwrap().remove(0).ended;
    assert!(now.diagnosis.is_some_and(|text| text.contains("60.1 s")));
    assert_eq!((now.tokens.usage.as_deref(), now.tokens.input_tokens), (Some("estimated"), Some(1_200)));
    journal.minutes(vec![(cell(9), Sums { requests: 1, ..Sums::default() })]).unwrap();
    journal.close(PATIENCE);
    let summed: i64 =
        Connection::open(&path).unwrap().query_row("SELECT sum(requests) FROM minutes", [], |r| r.get(0)).unwrap();
    assert_eq!(summed, 1, "the table of minutes came with the layout");
}

/// A cell of the `minute`-th minute.
fn cell(minute: i64) -> Cell {
    let (upstream, model) = ("openai".to_owned(), "m".to_owned());
    Cell { minute, upstream, model, endpoint: "chat_completions", stream: false, size: 9, tools: false }
}

fn minutes_of(path: &Path) -> Vec<i64> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT minute FROM minutes ORDER BY minute").unwrap();
    statement.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn minutes_past_their_time_go_as_rows_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let settings = Settings { keep: Duration::from_secs(3_600), ..Settings::default() };
    let now = seawall::proxy::unix_micros() / MINUTE_MICROS;
    let (journal, _) = Journal::open(&path, Settings::default()).unwrap();
    let rows = (now - 1_300..=now).map(|minute| (cell(minute), Sums { requests: 1, ..Sums::default() }));
    journal.minutes(rows.collect()).unwrap();
    journal.close(PATIENCE);
    assert_eq!(minutes_of(&path).len(), 1_301);
    let (journal, _) = Journal::open(&path, settings).unwrap();
    until(|| journal.stats().pruned >= 1_240);
    journal.close(PATIENCE);
    let left = minutes_of(&path);
    assert!(left[0] >= now - 60 && left[left.len() - 1] == now, "{left:?}");
}

#[test]
fn of_a_file_that_is_too_long_minutes_older_than_any_attempt_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let now = seawall::proxy::unix_micros() / MINUTE_MICROS;
    let (journal, _) = Journal::open(&path, Settings::default()).unwrap();
    for n in 0..300 {
        journal.attempt(&request(n), attempt(1));
    }
    assert_eq!(settled(&journal, &request(0)), Settled::Durable);
    let rows = (now - 6_000..=now).map(|minute| (cell(minute), Sums { requests: 1, ..Sums::default() }));
    journal.minutes(rows.collect()).unwrap();
    journal.close(PATIENCE);
    let before = fs::metadata(&path).unwrap().len();
    let settings = Settings { size_max: before - 150_000, ..Settings::default() };
    let (journal, _) = Journal::open(&path, settings).unwrap();
    until(|| journal.stats().pruned > 0);
    until(|| fs::metadata(&path).unwrap().len() <= before - 150_000);
    journal.close(PATIENCE);
    let left = minutes_of(&path);
    assert_eq!(count(&path), 300, "no attempt had to go");
    assert!(left[0] > now - 6_000 && left[left.len() - 1] == now, "{} left", left.len());
}

#[test]
fn a_newer_layout_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    open(&path).close(PATIENCE);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = Journal::open(&path, Settings::default()).unwrap_err();
    assert!(refused.is_newer());
    assert!(refused.to_string().contains(&format!("layout {}", VERSION + 1)), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn the_size_is_kept_and_the_oldest_go_first() {
    const SIZE_MAX: u64 = 512 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let settings = Settings { size_max: SIZE_MAX, ..Settings::default() };
    let (journal, _) = Journal::open(&path, settings).unwrap();
    for n in 0..4_000 {
        journal.attempt(&request(n), attempt(1));
        if n % 500 == 0 {
            assert_eq!(settled(&journal, &request(n)), Settled::Durable);
        }
    }
    assert_eq!(settled(&journal, &request(0)), Settled::Durable);
    until(|| {
        let connection = Connection::open(&path).unwrap();
        let bytes: i64 = connection
            .query_row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], |r| r.get(0))
            .unwrap();
        u64::try_from(bytes).unwrap() <= SIZE_MAX
    });
    let stats = journal.stats();
    assert_eq!(stats.rows - stats.pruned, u64::try_from(count(&path)).unwrap());
    let connection = Connection::open(&path).unwrap();
    let (oldest, newest): (i64, i64) =
        connection.query_row("SELECT min(id), max(id) FROM attempts", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    assert_eq!((oldest, newest), (i64::try_from(stats.pruned).unwrap() + 1, 4_000));
}

#[test]
fn a_row_past_its_time_goes_and_a_young_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) =
        Journal::open(&path, Settings { keep: Duration::from_secs(3_600), ..Settings::default() }).unwrap();
    let now = seawall::proxy::unix_micros();
    for n in 0..1_200 {
        let mut old = attempt(1);
        old.began_unix_micros = now - 3_700_000_000;
        let old_request = Arc::new(Request { began_unix_micros: now - 3_700_000_000, ..(*request(n)).clone() });
        journal.attempt(&old_request, old);
        journal.request(&old_request, ended(1));
        if n % 400 == 0 {
            settled(&journal, &request(n));
        }
    }
    let mut young = attempt(1);
    young.began_unix_micros = now;
    journal.attempt(&request(7_000), young);
    until(|| journal.stats().rows - journal.stats().pruned == 1);
    assert_eq!(count(&path), 1);
}

#[test]
#[cfg(unix)]
fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let asked = request(1);
    journal.attempt(&asked, attempt(1));
    assert_eq!(settled(&journal, &asked), Settled::Durable);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[test]
fn nothing_but_the_fields_of_an_event_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let asked = request(1);
    journal.attempt(&asked, attempt(1));
    journal.request(&asked, ended(1));
    journal.close(PATIENCE);
    let connection = Connection::open(&path).unwrap();
    let mut kept = std::collections::BTreeSet::new();
    for sql in ["SELECT * FROM attempts", "SELECT * FROM requests"] {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for at in 0..columns {
                match row.get_ref(at).unwrap() {
                    rusqlite::types::ValueRef::Text(text) => kept.insert(String::from_utf8(text.to_vec()).unwrap()),
                    rusqlite::types::ValueRef::Blob(_) => panic!("no column holds bytes"),
                    _ => false,
                };
            }
        }
    }
    let allowed = texts(&asked, &attempt(1), &ended(1));
    assert!(kept.is_subset(&allowed), "{:?}", kept.difference(&allowed));
}
