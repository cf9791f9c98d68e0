//! What the admin side answers is what it says of itself: every page of the API, at a gateway that runs, with real
//! failures on record, against the description that is made from the same types.

use std::collections::BTreeSet;
use std::io::BufRead;

use serde_json::{Value, json};

use super::*;
use crate::server::admin::live::LISTENERS_MAX;
use crate::server::admin::openapi::DOCUMENT;

const MODEL: &str = "gpt-4o\u{1b}[2J<script>";
/// Failing requests, each with a body of its own: the fourth opens an incident.
const FAILING: usize = 6;

/// A gateway with nobody behind it.
fn failing(dir: &Path) -> Gateway {
    let text = "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndrain = \"0s\"\n[retry]\ncap = \"5ms\"\n[[upstream]]\n\
                name = \"up\"\nbase_url = \"http://127.0.0.1:9\"\nstatus_page = \"off\"\n";
    let overrides = Overrides { data_dir: Some(dir.to_owned()), ..Overrides::default() };
    let config = from_text(None, text, &overrides, &Environment::empty()).map_err(|p| p.render(false)).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal.db"), journal::Settings::default()).unwrap();
    Gateway::start(&config, journal).unwrap()
}

/// One request on a connection of its own: the head, and the body.
fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json");
    write!(socket, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Asks a model that nobody serves; Seawall's id of the request.
fn ask_in_vain(listen: SocketAddr, number: usize) -> String {
    let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": format!("question {number}") }] });
    let (head, _) = exchange(listen, "POST", "/v1/chat/completions", &body.to_string());
    let id = head.lines().find_map(|line| line.strip_prefix("x-seawall-request-id: ")).unwrap();
    id.to_owned()
}

/// Objects may have no keys but those that are described: what is answered and not described is found too.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            if keys.contains_key("properties") {
                keys.entry("additionalProperties").or_insert(false.into());
            }
            keys.values_mut().for_each(closed);
        }
        Value::Array(parts) => parts.iter_mut().for_each(closed),
        _ => {}
    }
}

/// Fails unless `answer` is what `schema` says.
fn hold_to(schema: &Value, answer: &Value, of: &str) {
    let mut whole = json!({ "components": DOCUMENT["components"], "allOf": [schema] });
    closed(&mut whole["components"]);
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let wrong: Vec<String> = validator.iter_errors(answer).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{of} is not as described:\n{}\n{answer}", wrong.join("\n"));
}

fn schema_of<'a>(path: &str, method: &str, status: &str) -> &'a Value {
    &DOCUMENT["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_what_it_says_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = failing(dir.path());
    let (admin, listen) = (gateway.admin, gateway.listen);
    let asking = tokio::task::spawn_blocking(move || {
        let mut live = TcpStream::connect(admin).unwrap();
        write!(live, "GET /api/v1/live HTTP/1.1\r\nhost: {admin}\r\n\r\n").unwrap();
        live.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut heard = std::io::BufReader::new(live).lines().map(Result::unwrap);
        // Whoever hears the first comment is listening.
        heard.by_ref().find(|line| line == ": seawall").unwrap();
        let ids: Vec<String> = (0..FAILING).map(|number| ask_in_vain(listen, number)).collect();
        let incident = hear(&mut heard)["id"].as_str().unwrap().to_owned();

        let mut seen = BTreeSet::new();
        for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let id = if path.contains("requests") { &ids[0] } else { &incident };
                let at = path.replace("{id}", id);
                if path == "/api/v1/live" {
                    continue;
                }
                let (head, body) = exchange(admin, &method.to_uppercase(), &at, "");
                assert!(head.starts_with("HTTP/1.1 200"), "{method} {at}: {head}\n{body}");
                assert!(head.contains("content-type: application/json"), "{at}: {head}");
                let answer: Value = serde_json::from_str(&body).unwrap();
                hold_to(schema_of(path, method, "200"), &answer, path);
                // A report is a document of several lines.
                let is_active = |c: char| c.is_control() && (c != '\n' || !path.ends_with("/report"));
                assert!(!body.trim_end().chars().any(is_active), "{at} holds what a terminal obeys");
                seen.insert(format!("{method} {path}"));
            }
        }
        assert_eq!(seen.len(), 12, "{seen:?}");
        for (at, path, status) in [
            ("/api/v1/failures?limit=many", "/api/v1/failures", "400"),
            ("/api/v1/groups?buckets=0", "/api/v1/groups", "400"),
            ("/api/v1/requests/sw_nobody", "/api/v1/requests/{id}", "404"),
            ("/api/v1/incidents/inc_nobody", "/api/v1/incidents/{id}", "404"),
        ] {
            let (head, body) = exchange(admin, "GET", at, "");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{at}: {head}");
            hold_to(schema_of(path, "get", status), &serde_json::from_str(&body).unwrap(), at);
        }
        let failures = exchange(admin, "GET", "/api/v1/failures", "").1;
        let failures = serde_json::from_str::<Value>(&failures).unwrap()["failures"].as_array().unwrap().len();
        assert!(failures >= FAILING);
        let groups: Value = serde_json::from_str(&exchange(admin, "GET", "/api/v1/groups", "").1).unwrap();
        assert_eq!(
            (&groups["attempts"], groups["groups"].as_array().unwrap().len()),
            (&failures.into(), 1),
            "{groups}"
        );
    });
    asking.await.unwrap();
    gateway.stop(async {}).await;
}

/// Reads events until each kind was heard, and holds each to its description; the incident.
fn hear(lines: &mut impl Iterator<Item = String>) -> Value {
    let schemas =
        &DOCUMENT["paths"]["/api/v1/live"]["get"]["responses"]["200"]["content"]["text/event-stream"]["x-events"];
    let (mut kinds, mut name, mut incident) = (BTreeSet::new(), String::new(), Value::Null);
    while kinds.len() < 3 {
        let line = lines.next().expect("the stream goes on");
        if let Some(kind) = line.strip_prefix("event: ") {
            kind.clone_into(&mut name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            let data: Value = serde_json::from_str(data).unwrap();
            hold_to(&schemas[&name], &data, &name);
            if name == "incident" {
                incident = data;
            }
            kinds.insert(name.clone());
        }
    }
    incident
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_not_there_is_503_and_what_is_in_memory_is_told() {
    let page = Listener::bind("127.0.0.1:0").unwrap();
    let gateway = started("off", &page);
    let admin = gateway.admin;
    let asking = tokio::task::spawn_blocking(move || {
        for path in ["/api/v1/failures", "/api/v1/requests/sw_1"] {
            let (head, body) = exchange(admin, "GET", path, "");
            assert!(head.starts_with("HTTP/1.1 503"), "{path}: {head}");
            assert!(body.contains("\"error\":\"the journal cannot be read now"), "{body}");
            assert!(!body.contains("/nowhere"), "where it is concerns nobody: {body}");
        }
        for path in ["/api/v1/summary", "/api/v1/upstreams", "/api/v1/incidents"] {
            let (head, body) = exchange(admin, "GET", path, "");
            assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
            hold_to(schema_of(path, "get", "200"), &serde_json::from_str(&body).unwrap(), path);
        }
        let (_, upstreams) = exchange(admin, "GET", "/api/v1/upstreams", "");
        assert!(upstreams.contains("\"minutes\":null"), "{upstreams}");
        let (head, _) = exchange(admin, "POST", "/api/v1/failures", "");
        assert!(head.starts_with("HTTP/1.1 405") && head.contains("allow: GET, HEAD"), "{head}");
    });
    asking.await.unwrap();
    gateway.stop(async {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listener_more_than_there_are_places_for_is_told_so() {
    let page = Listener::bind("127.0.0.1:0").unwrap();
    let gateway = started("off", &page);
    let admin = gateway.admin;
    let asking = tokio::task::spawn_blocking(move || {
        let listen = || {
            let mut live = std::io::BufReader::new(TcpStream::connect(admin).unwrap());
            write!(live.get_mut(), "GET /api/v1/live HTTP/1.1\r\nhost: {admin}\r\n\r\n").unwrap();
            let mut first = String::new();
            live.read_line(&mut first).unwrap();
            (first, live)
        };
        let all: Vec<_> = (0..LISTENERS_MAX).map(|_| listen()).collect();
        assert!(all.iter().all(|(first, _)| first.starts_with("HTTP/1.1 200")));
        assert!(listen().0.starts_with("HTTP/1.1 503"), "no place is left");
        drop(all);
        // The gateway notices by and by that they have left.
        (0..10_000).find(|_| listen().0.starts_with("HTTP/1.1 200")).expect("the places come back");
    });
    asking.await.unwrap();
    gateway.stop(async {}).await;
}
