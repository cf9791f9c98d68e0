//! What the record of failures says, and how it is itself.

use std::path::Path;
use std::time::Duration;

use seawall_core::verdict::Class;

use super::check::{Check, State};
use crate::config::JournalConfig;
use crate::data_dir::JOURNAL_FILE;
use crate::observe::journal::health::{self, Integrity};
use crate::observe::journal::plain::millis;
use crate::observe::journal::read::{Filter, JournalArgs, Journals};
use crate::observe::journal::stacked::Stacked;

/// How far back the record is read.
const SINCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Attempts that are read at most, the newest ones.
const ATTEMPTS_MAX: usize = 100_000;
/// How long the check of the file may take.
const CHECK_WITHIN: Duration = Duration::from_secs(3);
/// Node gives up on a whole answer at 300 s; where one in twenty takes longer than this, some will.
const WHOLE_MAX: Duration = Duration::from_secs(240);
/// Of fewer answers nothing is said.
const WHOLE_ANSWERS_MIN: usize = 20;

/// Whether the data directory is there, and for its owner only.
pub(super) fn data_dir(dir: &Path) -> Check {
    let name = "data directory";
    let shown = dir.display();
    let Ok(metadata) = std::fs::metadata(dir) else {
        return Check::new(name, State::Skip, format!("{shown} does not exist yet: `seawall serve` creates it"));
    };
    if !metadata.is_dir() {
        return Check::new(name, State::Fail, format!("{shown} is no directory"))
            .hint("choose another with --data-dir");
    }
    if let Err(error) = tempfile::tempfile_in(dir) {
        return Check::new(name, State::Fail, format!("{shown} cannot be written to: {error}"))
            .hint("run as the user it belongs to, or choose another with --data-dir");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Check::new(name, State::Warn, format!("{shown} is open to others (mode {mode:03o})"))
                .hint(format!("chmod 700 {shown}: the journal names models, ids and errors"));
        }
    }
    Check::new(name, State::Ok, format!("{shown} is writable, and for its owner only"))
}

/// How the journal is. `counts` are what a running gateway says of rows that were dropped or late.
pub(super) fn journal(dir: &Path, config: &JournalConfig, counts: Option<(u64, u64)>) -> Check {
    let name = "journal";
    let path = dir.join(JOURNAL_FILE);
    if !path.exists() {
        return Check::new(name, State::Skip, "there is none yet: `seawall serve` begins one");
    }
    let health = match health::look(&path, CHECK_WITHIN) {
        Ok(Some(health)) => health,
        Ok(None) => return Check::new(name, State::Ok, "it is empty"),
        Err(error) => return Check::new(name, State::Fail, error.to_string()).hint(error.hint()),
    };
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
    let said = format!("{} attempts, {} of {}", health.attempts, mib(health.bytes), mib(config.size_max));
    if let Integrity::Damaged(why) = &health.integrity {
        return Check::new(name, State::Fail, format!("{said}; damaged: {why}"))
            .hint("move the file aside: `seawall serve` begins a new one");
    }
    if let Err(why) = &health.writable {
        return Check::new(name, State::Fail, format!("{said}; it cannot be written to: {why}"))
            .hint("run as the user it belongs to, or correct its owner");
    }
    if let Some((dropped, late)) = counts.filter(|(dropped, late)| dropped + late > 0) {
        return Check::new(
            name,
            State::Warn,
            format!("{said}; {dropped} rows were dropped, {late} failures told before they were on record"),
        )
        .hint("the disk is slow or full: failures are served all the same, and some are missing here");
    }
    let checked = match health.integrity {
        Integrity::Unfinished => format!("not checked to its end within {} s", CHECK_WITHIN.as_secs()),
        _ => "sound".to_owned(),
    };
    Check::new(name, State::Ok, format!("{said}; {checked}"))
}

/// Whether clients retry by themselves, and whether whole answers take so long that Node gives them up.
pub(super) fn clients(dir: &Path) -> Vec<Check> {
    let (retries, long) = ("client retries", "long answers");
    let args = JournalArgs { data_dir: Some(dir.to_owned()), journal: None };
    let Ok(journals) = Journals::open(&args, None) else {
        return [retries, long].map(|name| Check::new(name, State::Skip, "nothing is on record yet")).to_vec();
    };
    let since = seawall::proxy::unix_micros() - i64::try_from(SINCE.as_micros()).unwrap_or(i64::MAX);
    vec![stacked(retries, &journals, since), long_answers(long, &journals, since)]
}

fn stacked(name: &str, journals: &Journals, since: i64) -> Check {
    let filter = Filter { since: Some(since), ..Filter::default() };
    let (mut stacked, mut all) = (Stacked::default(), 0u64);
    for attempt in journals.attempts(&filter).take(ATTEMPTS_MAX).map_while(Result::ok) {
        stacked.note(&attempt);
        all += u64::from(attempt.class != Class::Ok.name());
    }
    match stacked.count() {
        0 => Check::new(name, State::Ok, format!("none among {all} failed attempts of the last 7 days")),
        count => {
            let says = format!(
                "{count} of {all} failed attempts of the last 7 days belong to a client's own retries ({stacked})"
            );
            Check::new(name, State::Warn, says).hint(Stacked::ADVICE)
        }
    }
}

fn long_answers(name: &str, journals: &Journals, since: i64) -> Check {
    let Ok(mut answers) = journals.whole_answers(since, "openai-node") else {
        return Check::new(name, State::Skip, "the record cannot be read");
    };
    if answers.len() < WHOLE_ANSWERS_MIN {
        let says = format!("{} whole answers to Node are on record, too few to say", answers.len());
        return Check::new(name, State::Skip, says);
    }
    answers.sort_unstable();
    let p95 = answers[(answers.len() * 95).div_ceil(100) - 1];
    let says = format!("95 of 100 whole answers to Node took up to {}", millis(p95.as_secs_f64() * 1_000.0));
    if p95 <= WHOLE_MAX {
        return Check::new(name, State::Ok, says);
    }
    Check::new(name, State::Warn, format!("{says}: Node gives up at 300 s"))
        .hint("stream: send `stream: true`, or set `upgrade` of the route, as docs/guides/streams.md says")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::observe::journal::samples::{attempt, ended, open, request, settled};

    #[test]
    #[cfg(unix)]
    fn a_data_directory_is_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let mode = |mode| std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o700);
        assert_eq!(data_dir(root.path()).state, State::Ok);
        mode(0o750);
        assert_eq!(data_dir(root.path()).state, State::Warn);
        assert_eq!(data_dir(&root.path().join("none")).state, State::Skip);
        std::fs::write(root.path().join("file"), "").unwrap();
        assert_eq!(data_dir(&root.path().join("file")).state, State::Fail);
    }

    #[test]
    fn the_journal_is_told_with_its_size_and_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let config = JournalConfig::default();
        assert_eq!(journal(dir.path(), &config, None).state, State::Skip);
        let written = open(&dir.path().join(JOURNAL_FILE));
        written.attempt(&request(1), attempt(1));
        settled(&written, &request(1));
        let check = journal(dir.path(), &config, Some((0, 0)));
        assert_eq!(check.state, State::Ok);
        assert!(
            check.says.starts_with("1 attempts, ") && check.says.ends_with("of 1024.0 MiB; sound"),
            "{}",
            check.says
        );
        assert_eq!(journal(dir.path(), &config, Some((0, 1))).state, State::Warn);
    }

    #[test]
    fn clients_that_retry_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(clients(dir.path()).iter().all(|check| check.state == State::Skip));
        let written = open(&dir.path().join(JOURNAL_FILE));
        written.attempt(&request(1), attempt(1));
        settled(&written, &request(1));
        let check = &clients(dir.path())[0];
        assert_eq!(check.state, State::Warn);
        assert!(check.says.contains("(SDK openai-python 3.54.0)"), "{}", check.says);
    }

    #[test]
    fn long_whole_answers_are_told_from_the_twentieth_on() {
        for (count, seconds, state) in [(19, 250, State::Skip), (20, 240, State::Ok), (20, 241, State::Warn)] {
            let dir = tempfile::tempdir().unwrap();
            let written = open(&dir.path().join(JOURNAL_FILE));
            for n in 0..count {
                let mut asked = Arc::unwrap_or_clone(request(n));
                (asked.stream, asked.sdk) = (false, Some("openai-node 7.57.0".to_owned()));
                let mut end = ended(2);
                (end.status, end.elapsed) = (200, Duration::from_secs(seconds));
                written.request(&Arc::new(asked), end);
            }
            settled(&written, &request(0));
            assert_eq!(clients(dir.path())[1].state, state, "{count} answers of {seconds} s");
        }
    }
}
