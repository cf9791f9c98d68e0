use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use clap::Parser;
use seawall_core::event::{Attempt, Request};
use seawall_core::verdict::{Class, Whose};
use serde_json::Value;

use super::*;
use crate::data_dir::JOURNAL_FILE;
use crate::observe::journal::incidents::Note;
use crate::observe::journal::samples::{attempt, request, settled};
use crate::observe::journal::when::rfc3339;
use crate::observe::journal::{Journal, Settings};
use crate::observe::status_page::read;
use crate::observe::status_page::samples::{HOSTILE, NATIVE, SHIM, WELL};

/// 2026-07-09T19:38:00Z: 18 minutes after the page of the samples first said something.
const NOW: i64 = 1_783_625_880_000_000;
const MINUTE: i64 = 60_000_000;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: StatusArgs,
}

fn args(flags: &[&str]) -> StatusArgs {
    let line = Line::try_parse_from(["status"].iter().chain(flags)).unwrap_or_else(|error| panic!("{error}"));
    line.args
}

/// A journal in `dir` with one failed attempt `minutes` after `from` for each of them.
fn fill(dir: &Path, from: i64, minutes: &[i64], change: impl Fn(usize, &mut Request, &mut Attempt)) {
    let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
    let (journal, _) = Journal::open(&dir.join(JOURNAL_FILE), settings).unwrap();
    for (at, minute) in minutes.iter().enumerate() {
        let n = i64::try_from(at).unwrap();
        let (mut asked, mut tried) = ((*request(n)).clone(), attempt(1));
        (asked.began_unix_micros, tried.began_unix_micros) = (from, from + minute * MINUTE);
        tried.upstream_request_id = Some(format!("req_{n}"));
        change(at, &mut asked, &mut tried);
        let asked = Arc::new(asked);
        journal.attempt(&asked, tried);
        settled(&journal, &asked);
    }
    journal.close(Duration::from_secs(20));
}

/// What the record of `dir` says of `openai` at [`NOW`].
fn here(dir: &Path) -> here::Here {
    let place = JournalArgs::default();
    let journals = Journals::open(&place, Some(dir)).unwrap();
    Record::read(&journals, NOW - 60 * MINUTE).unwrap().take("openai")
}

fn entry(page: Option<&str>, here: Option<here::Here>) -> Entry {
    let there = page.map_or(There::None, |json| {
        let url = "https://status.openai.com".to_owned();
        let page = read(json.as_bytes(), &url.parse().unwrap()).unwrap().0;
        There::Asked { url, snapshot: snapshot(NOW, Ok(Arc::new(page))) }
    });
    Entry { upstream: Some("openai".to_owned()), there, here, breakers: None, now: NOW }
}

/// Failures that began 36 minutes before [`NOW`].
fn outage(dir: &Path) -> here::Here {
    fill(dir, NOW - 36 * MINUTE, &[0, 1, 2, 3, 5, 8, 13, 20, 22, 30, 35], |at, asked, tried| match at {
        9 => (tried.class, tried.status) = (Class::NotSent, None),
        8 => asked.model = Some("o3".to_owned()),
        7 => (tried.class, tried.whose) = (Class::CallerFault, Whose::Caller),
        _ => {}
    });
    here(dir)
}

#[test]
fn both_sides_stand_beside_each_other() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(entry(Some(SHIM), Some(outage(dir.path()))).text(), @r"
    openai  https://status.openai.com
      here   11 failed attempts since 2026-07-09T18:38:00.000Z: overloaded 9, caller_fault 1, not_sent 1
             gpt-4o 10, o3 1
             failing since 2026-07-09T19:02:00.000Z, last 2026-07-09T19:37:00.000Z
             last x-request-id req_10, req_9, req_8
      there  Partial System Degradation (minor); API: Chat Completions degraded_performance
             Elevated error rates: investigating, minor, since 2026-07-09T19:20:00.000Z
             https://status.openai.com/incidents/01JZ0000000000000000000000
      first  here since 19:02:00, on their page since 19:20:00: 18 min before them
    ");
}

#[test]
fn a_program_gets_the_same_as_one_object() {
    let dir = tempfile::tempdir().unwrap();
    let told = entry(Some(NATIVE), Some(outage(dir.path()))).json();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&told).unwrap());
}

#[test]
fn who_was_first_is_told_in_minutes_and_only_where_both_know() {
    let first = |page: &str, minutes: &[i64]| {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), NOW - 40 * MINUTE, minutes, |_, _, _| {});
        let entry = entry(Some(page), Some(here(dir.path())));
        let text = entry.text();
        let line = text.lines().find_map(|line| line.strip_prefix("  first  ")).map(str::to_owned);
        (entry.json()["first"]["who"].as_str().map(str::to_owned), line.unwrap_or_default())
    };
    let said = |who: &str, line: &str| (Some(who.to_owned()), line.to_owned());
    assert_eq!(
        first(SHIM, &[4, 5, 6, 7, 15, 24, 33, 39]),
        said("here", "here since 19:02:00, on their page since 19:20:00: 18 min before them")
    );
    assert_eq!(
        first(SHIM, &[30, 31, 32, 33, 39]),
        said("there", "here since 19:28:00, on their page since 19:20:00: 8 min after them")
    );
    assert_eq!(
        first(SHIM, &[22, 23, 24, 25, 33, 39]),
        said("here", "here since 19:20:00, on their page since 19:20:00: within the same minute")
    );
    assert_eq!(first(WELL, &[30, 31, 32, 33]), said("only_here", "here since 19:28:00, their page says nothing"));
    assert_eq!(first(SHIM, &[39]), said("only_there", "on their page since 19:20:00, no run of failures here"));
    assert_eq!(first(WELL, &[39]), (None, String::new()));
    let later = SHIM.replace("2026-07-09T19:20:00Z", "2026-07-09T23:20:00Z");
    assert_eq!(first(&later, &[30, 31, 32, 33]), (None, String::new()), "a clock that is wrong compares with nothing");
}

#[test]
fn what_a_page_says_can_move_no_cursor_and_break_no_line() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), NOW - 10 * MINUTE, &[1, 2, 3, 4], |_, asked, tried| {
        asked.model = Some("a\u{1b}[2J\r\nb\u{202e}".to_owned());
        tried.upstream_request_id = Some("req\u{7}\n  there  all is well".to_owned());
    });
    let entry = entry(Some(HOSTILE), Some(here(dir.path())));
    let text = entry.text();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}' && c != '\u{2028}'), "{text:?}");
    assert_eq!(text.lines().filter(|line| line.starts_with("  there")).count(), 1, "{text}");
    let json = json_line(&entry.json()).unwrap();
    assert!(json.trim_end().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{json:?}");
}

#[test]
fn what_could_not_be_looked_at_is_said() {
    insta::assert_snapshot!(entry(None, None).text(), @r"
    openai
      here   there is no record to look at
      there  no status page is known for it: set `status_page` of the upstream
    ");
    let trouble = Trouble::Moved(301, Some("status.example".to_owned()));
    let there = There::Asked { url: "https://old.example".to_owned(), snapshot: snapshot(NOW, Err(trouble)) };
    let entry = Entry { there, ..entry(None, Some(here::Here::default())) };
    insta::assert_snapshot!(entry.text(), @r"
    openai  https://old.example
      here   no failed attempt since 1970-01-01T00:00:00.000Z
      there  its status page leads to status.example (301), which is not followed: set `status_page` to the new address
    ");
    let there = There::NotAsked { url: "https://status.openai.com".to_owned() };
    assert_eq!(Entry { there, ..entry }.json()["page"]["url"], "https://status.openai.com");
}

#[test]
fn a_running_gateway_says_how_its_breakers_are() {
    let said = |breakers: &[(&str, &str)]| {
        let breaker =
            |(model, state): &(&str, &str)| running::Breaker { model: (*model).into(), state: (*state).into() };
        let breakers = Some(breakers.iter().map(breaker).collect());
        let entry = Entry { breakers, ..entry(None, Some(here::Here::default())) };
        let text = entry.text();
        text.lines().find_map(|line| line.strip_prefix("  now    ")).unwrap_or_default().to_owned()
    };
    assert_eq!(said(&[]), "its breakers are closed: everything is sent there");
    assert_eq!(said(&[("o3", "closed"), ("m\u{7}", "open")]), "its breaker is not closed: m\\u{7} open");
}

#[test]
fn models_beyond_the_first_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<i64> = vec![30; here::MODELS_MAX + 2];
    fill(dir.path(), NOW - 40 * MINUTE, &all, |at, asked, _| asked.model = Some(format!("model-{at}")));
    let here = here(dir.path());
    assert_eq!(here.models.len(), here::MODELS_MAX + 1);
    let other = here.models.iter().find(|of| of.model.as_deref() == Some("other")).unwrap();
    assert_eq!(other.failures, 2);
}

mod verb {
    use super::*;

    /// A status page on this machine that says `json` to whoever asks, `times` times.
    fn serving(json: &'static str, times: usize) -> String {
        heard(json, times).0
    }

    /// The same, and what it was asked.
    fn heard(json: &'static str, times: usize) -> (String, Receiver<String>) {
        answering("200 OK", json, times)
    }

    /// The same with any status.
    fn answering(status: &'static str, json: &'static str, times: usize) -> (String, Receiver<String>) {
        let (hear, asked) = channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for _ in 0..times {
                let (mut socket, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let _ = hear.send(String::from_utf8(head).unwrap());
                let length = json.len();
                let head =
                    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
                socket.write_all(format!("{head}{json}").as_bytes()).unwrap();
            }
        });
        (format!("http://{address}"), asked)
    }

    async fn run_in(dir: &Path, config: &str, flags: &[&str]) -> (Exit, String, String) {
        let file = dir.join("seawall.toml");
        std::fs::write(&file, config).unwrap();
        let (file, data) = (file.display().to_string(), dir.display().to_string());
        let mut all: Vec<&str> = vec!["--config", &file, "--data-dir", &data];
        all.extend(flags);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args(&all), &Environment::empty(), &mut out, &mut err).await.unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn upstreams(page: &str) -> String {
        let one = |name: &str, page: &str| {
            format!(
                "[[upstream]]\nname = \"{name}\"\nbase_url = \"https://{name}.example/v1\"\napi_key = \"k\"\nstatus_page = \"{page}\"\n"
            )
        };
        format!("{}{}{}", one("a", page), one("b", page), one("c", "off"))
    }

    fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    #[tokio::test]
    async fn each_page_is_asked_once_and_the_record_told_for_every_upstream() {
        let dir = tempfile::tempdir().unwrap();
        let now = seawall::proxy::unix_micros();
        let path = dir.path().to_owned();
        let filling = tokio::task::spawn_blocking(move || {
            fill(&path, now - 20 * MINUTE, &[10, 11, 12, 13], |at, _, tried| {
                tried.upstream = if at == 3 { "gone".to_owned() } else { "a".to_owned() };
            });
        });
        filling.await.unwrap();
        let (code, out, err) = run_in(dir.path(), &upstreams(&serving(SHIM, 1)), &["--json"]).await;
        assert_eq!((code, err.as_str()), (exit::OK, ""));
        let told: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |pointer: &str| told.iter().map(|one| one.pointer(pointer).unwrap().clone()).collect::<Vec<_>>();
        assert_eq!(of("/upstream"), ["a", "b", "c", "gone"]);
        assert_eq!(of("/here/failures"), [3, 0, 0, 1]);
        assert_eq!(
            of("/page").iter().map(|page| page["indicator"].as_str()).collect::<Vec<_>>(),
            [Some("minor"), Some("minor"), None, None]
        );
        assert!(told[0]["here"]["since"].as_str() <= Some(&rfc3339(now - 59 * MINUTE)));
    }

    #[tokio::test]
    async fn it_is_a_problem_only_where_a_page_was_asked_and_none_answers() {
        let dir = tempfile::tempdir().unwrap();
        let (code, out, err) = run_in(dir.path(), &upstreams(&closed()), &[]).await;
        assert_eq!(code, exit::CANNOT_START);
        assert!(out.contains("its status page cannot be reached:"), "{out}");
        assert!(out.contains("there is no record to look at"), "{out}");
        assert!(
            err.contains("warning: there is no journal at") && err.contains("error: no status page could be read"),
            "{err}"
        );
        let (code, out, _) = run_in(dir.path(), &upstreams(&closed()), &["--no-fetch"]).await;
        assert_eq!(code, exit::OK);
        assert!(out.contains("its status page was not asked"), "{out}");
        let (code, ..) = run_in(dir.path(), &upstreams("off"), &[]).await;
        assert_eq!(code, exit::OK);
    }

    #[tokio::test]
    async fn any_page_can_be_asked_alone() {
        let dir = tempfile::tempdir().unwrap();
        let url = serving(SHIM, 1);
        let (code, out, err) = run_in(dir.path(), "", &["--page", &url]).await;
        assert_eq!((code, err.as_str()), (exit::OK, ""));
        let told = out.replace(&url, "http://PAGE");
        insta::assert_snapshot!(told, @r"
        http://PAGE
          there  Partial System Degradation (minor); API: Chat Completions degraded_performance
                 Elevated error rates: investigating, minor, since 2026-07-09T19:20:00.000Z
                 http://PAGE/incidents/01JZ0000000000000000000000
        ");
        let (code, out, _) = run_in(dir.path(), "", &["--page", &closed(), "--json"]).await;
        assert_eq!(code, exit::CANNOT_START);
        let told: Value = serde_json::from_str(&out).unwrap();
        assert!(
            told["upstream"].is_null() && told["page"]["trouble"].as_str().unwrap().starts_with("cannot be reached")
        );
        let (code, _, err) = run_in(dir.path(), "", &["--page", "status.example"]).await;
        assert_eq!(code, exit::USAGE);
        assert_eq!(
            err,
            "error: the address must begin with https:// or http://\nhint: such as https://status.openai.com\n"
        );
    }

    #[tokio::test]
    async fn a_gateway_that_runs_is_asked_with_its_token_and_one_that_is_gone_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let announce = |admin: &str| {
            let said = format!(r#"{{"pid":1,"listen":"127.0.0.1:1","admin":"{admin}","started":"","journal":null}}"#);
            std::fs::write(dir.path().join("serve.json"), said).unwrap();
        };
        let config = "[server]\nadmin_token = \"0123456789abcdef\"\n[[upstream]]\nname = \"a\"\nbase_url = \"http://127.0.0.1:9\"\n";
        let breakers = async || {
            let (code, out, _) = run_in(dir.path(), config, &["--json"]).await;
            assert_eq!(code, exit::OK);
            serde_json::from_str::<Value>(&out).unwrap()["breakers"].take()
        };
        assert_eq!(breakers().await, Value::Null);
        announce(&closed()[7..]);
        assert_eq!(breakers().await, Value::Null);
        let said =
            r#"{"upstreams":[{"upstream":"a","breakers":[{"model":"m","state":"open"}],"watched":true,"page":null}]}"#;
        let (admin, asked) = heard(said, 1);
        announce(&admin[7..]);
        assert_eq!(breakers().await, serde_json::json!([{ "model": "m", "state": "open" }]));
        let head = asked.recv().unwrap();
        assert!(head.starts_with("GET /api/v1/status HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer 0123456789abcdef\r\n"), "{head}");
    }

    #[tokio::test]
    async fn whether_a_gateway_takes_requests_is_asked_without_a_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let ready = async |flags: &[&str]| {
            let data = dir.path().display().to_string();
            let all: Vec<&str> = [&["--ready", "--data-dir", &data], flags].concat();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = run(&args(&all), &Environment::empty(), &mut out, &mut err).await.unwrap();
            (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
        };
        let announce = |admin: &str| {
            let said = format!(r#"{{"pid":1,"listen":"127.0.0.1:1","admin":"{admin}","started":"","journal":null}}"#);
            std::fs::write(dir.path().join("serve.json"), said).unwrap();
        };
        let none = "error: no gateway answers\nhint: name its data directory with --data-dir, or its admin side with --admin\n";
        assert_eq!(ready(&[]).await, (exit::CANNOT_START, String::new(), none.into()), "never started");
        announce(&closed()[7..]);
        assert_eq!(ready(&[]).await, (exit::CANNOT_START, String::new(), none.into()), "gone");
        std::fs::write(dir.path().join("seawall.toml"), "invalid").unwrap();
        let (admin, asked) = heard("", 1);
        announce(&admin[7..]);
        assert_eq!(ready(&[]).await, (exit::OK, format!("ready: {admin}\n"), String::new()));
        let head = asked.recv().unwrap();
        assert!(head.starts_with("GET /readyz HTTP/1.1\r\n") && !head.contains("authorization"), "{head}");
        let (named, _) = answering("503 Service Unavailable", "", 1);
        let (code, _, err) = ready(&["--admin", &named]).await;
        assert_eq!((code, err.as_str()), (exit::FOUND, "error: the gateway is ending: it takes no new requests\n"));
        let (named, _) = answering("404 Not Found", "", 1);
        let (code, _, err) = ready(&["--admin", &named]).await;
        assert!(
            code == exit::CANNOT_START && err.starts_with("error: what answers there is no gateway: 404\n"),
            "{err}"
        );
    }

    #[tokio::test]
    async fn a_configuration_that_is_wrong_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (code, out, err) = run_in(dir.path(), "[status_page]\nevery = \"9s\"\n", &[]).await;
        assert_eq!((code, out.as_str()), (exit::CONFIG, ""));
        assert!(err.contains("outside 10s to 1h"), "{err}");
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        assert!(Line::try_parse_from(["status", "--page", "https://a.example", "--no-fetch"]).is_err());
    }
}

#[test]
fn where_the_gateway_found_an_incident_that_says_since_when() {
    let dir = tempfile::tempdir().unwrap();
    let at = NOW - 20 * MINUTE;
    let told = |what: &str| {
        serde_json::from_value(serde_json::json!({
            "what": what, "at": at + MINUTE, "id": "inc_00000000000000aa", "kind": "failures",
            "scope": { "kind": "upstream", "upstream": "openai", "model": "gpt\u{1b}[2J" }, "rule": "rate", "severity": "critical",
            "since": at, "window": { "failed": 5, "of": 9 }, "whole": { "failed": 5, "of": 9 }, "flaps": 0, "samples": [],
            "under": null, "close": null,
        }))
        .unwrap()
    };
    outage(dir.path());
    for (what, first) in [
        ("incident.opened", "here since 19:18:00, on their page since 19:20:00: 2 min before them"),
        ("incident.resolved", "here since 19:02:00, on their page since 19:20:00: 18 min before them"),
    ] {
        let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
        let (journal, _) = Journal::open(&dir.path().join(JOURNAL_FILE), settings).unwrap();
        journal.incident(Note { event: told(what), is_told: true, differences: Vec::new(), page: None });
        journal.close(Duration::from_secs(20));
        let entry = entry(Some(SHIM), Some(here(dir.path())));
        let text = entry.text();
        assert!(text.contains(first), "{text}");
        let state = what.strip_prefix("incident.").unwrap().replace("opened", "open");
        let line = format!(
            "incident inc_00000000000000aa {state}, critical: failures of gpt\\u{{1b}}[2J since 2026-07-09T19:18"
        );
        assert!(text.contains(&line), "{text}");
        assert_eq!(entry.json()["here"]["incidents"][0]["state"], state.as_str());
    }
}
