//! What an acknowledged row survives: a `kill -9` at any moment, and a disk that takes no more.
//!
//! The tests run this very program again as a child that writes rows and says which of them the
//! journal acknowledged. Then the child is killed, or its n-th write fails, and every row it was
//! promised has to be there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use seawall_core::dice::Dice;

use super::samples::{attempt, ended, request, settled};
use super::{Closed, Journal, Settings, Settled};

/// Tells the child its directory, its first row and how many rows to write.
const ORDERS: &str = "SEAWALL_TEST_JOURNAL";
const CHILD: &str = "observe::journal::survival::the_child_that_writes";
/// Times that a child is killed.
const ROUNDS: i64 = 20;
/// Far more rows than a child can write before it is killed.
const ENDLESS: i64 = 1_000_000;
/// Failing writes that are tried: from the first page of the file to well into the rows.
const PAGES: u32 = 120;
/// Rows that a child writes into a file that may not grow beyond a page.
const ROWS: i64 = 20;

#[test]
#[ignore = "the other half of the tests here: they run it as a process of its own"]
#[expect(clippy::disallowed_methods, reason = "the environment is how a test reaches its child")]
fn the_child_that_writes() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let mut orders = orders.split('|');
    let mut order = || orders.next().unwrap();
    let path = Path::new(order()).join("journal.db");
    let (first, rows): (i64, i64) = (order().parse().unwrap(), order().parse().unwrap());

    let journal = match Journal::open(&path, Settings::default()) {
        Ok((journal, _)) => journal,
        Err(_) => Journal::ring_only(&path, Settings::default()),
    };
    let next = AtomicI64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= first + rows {
                        return;
                    }
                    write_one(&journal, n);
                }
            });
        }
    });
    let watch = journal.clone();
    assert_eq!(journal.close(Duration::from_secs(20)), Closed::Clean);
    let stats = watch.stats();
    assert_eq!(stats.rows + stats.dropped, 2 * u64::try_from(rows).unwrap(), "no row is lost in silence: {stats:?}");
}

fn write_one(journal: &Journal, n: i64) {
    let asked = request(n);
    journal.attempt(&asked, attempt(1));
    journal.request(&asked, ended(1));
    if settled(journal, &asked) == Settled::Durable {
        // One write a line, so that a kill cuts none in half.
        let line = format!("kept {}\n", asked.id);
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// This program as the child, with `wrap` around it.
fn child(wrap: &[&str], dir: &Path, first: i64, rows: i64) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrap {
        [] => Command::new(&this),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(&this);
            command
        }
    };
    command.args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ORDERS, format!("{}|{first}|{rows}", dir.display()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ids(dir: &Path) -> BTreeSet<String> {
    let Ok(connection) = Connection::open_with_flags(dir.join("journal.db"), OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return BTreeSet::new();
    };
    let sql = "SELECT a.request FROM attempts a JOIN requests r ON r.request = a.request";
    let Ok(mut statement) = connection.prepare(sql) else { return BTreeSet::new() };
    statement.query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(31);
    let mut promised = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut child = child(&[], dir.path(), round * ENDLESS, ENDLESS).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut left = dice.between(1, 1_500);
        for line in lines {
            // The line that libtest begins for the test has no end before the first of ours.
            if let Some((_, id)) = line.split_once("kept ") {
                promised.insert(id.to_owned());
                left = left.saturating_sub(1);
                if left == 0 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        // Read as `seawall failures` would, from the WAL that the dead process left.
        let kept = ids(dir.path());
        let lost: Vec<_> = promised.difference(&kept).collect();
        assert!(lost.is_empty(), "round {round}: {} of {} are missing: {lost:?}", lost.len(), promised.len());
    }
    assert!(promised.len() > 1_000, "{} rows are too few to show anything", promised.len());
}

#[test]
#[cfg(unix)]
fn whichever_write_is_the_first_to_fail_nothing_acknowledged_is_lost() {
    let (mut none, mut all) = (0, 0);
    for pages in 1..=PAGES {
        let dir = tempfile::tempdir().unwrap();
        // No file may grow beyond so many pages of 4 KiB: a disk that is full, for this process.
        let limit = (pages * 8).to_string();
        let wrap = ["sh", "-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &limit];
        let child = child(&wrap, dir.path(), 0, ROWS).spawn().unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{pages} pages: {said}\n{}", String::from_utf8_lossy(&ended.stderr));
        let promised: BTreeSet<String> =
            said.lines().filter_map(|line| line.split_once("kept ")).map(|(_, id)| id.to_owned()).collect();
        let kept = ids(dir.path());
        assert!(promised.is_subset(&kept), "{pages} pages: {:?}", promised.difference(&kept));
        none += u32::from(promised.is_empty());
        all += u32::from(promised.len() == usize::try_from(ROWS).unwrap());
    }
    assert!(none > 0 && all > 0 && none + all < PAGES, "the limits reach from too little to enough: {none}, {all}");
}
