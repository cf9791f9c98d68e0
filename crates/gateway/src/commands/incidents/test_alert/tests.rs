use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use super::*;

/// A receiver on this machine that answers every post with `status`; what it was sent is given back as text.
fn receiver(status: &'static str, posts: usize) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = thread::spawn(move || {
        let mut heard = String::new();
        for _ in 0..posts {
            let (mut socket, _) = listener.accept().unwrap();
            let mut sent = Vec::new();
            let mut piece = [0; 8192];
            while !is_whole(&sent) {
                let read = socket.read(&mut piece).unwrap();
                sent.extend_from_slice(&piece[..read]);
            }
            write!(socket, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").unwrap();
            heard.push_str(&String::from_utf8(sent).unwrap());
        }
        heard
    });
    (format!("http://{address}"), heard)
}

fn is_whole(sent: &[u8]) -> bool {
    let text = String::from_utf8_lossy(sent);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() >= length.parse().unwrap()
}

async fn asked(text: &str, args: TestAlertArgs, variables: &[(&str, &str)]) -> (Exit, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seawall.toml"), text).unwrap();
    run_in(folder.path(), args, variables).await
}

async fn run_in(folder: &Path, args: TestAlertArgs, variables: &[(&str, &str)]) -> (Exit, String, String) {
    let env = Environment::given(folder, [("HOME", "/nowhere")].into_iter().chain(variables.iter().copied()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = run(&args, &env, &mut out, &mut err).await.unwrap();
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

const TWO: &str = "[[alert]]\nkind = \"slack\"\nurl = \"${SLACK_URL}\"\n[[alert]]\nkind = \"alertmanager\"\nname = \"on-call\"\nurl = \"${AM}\"\n";

#[tokio::test]
async fn every_receiver_is_told_and_what_it_answers_is_said() {
    let (slack, slack_heard) = receiver("200", 2);
    let (alertmanager, heard) = receiver("202", 2);
    let slack = format!("{slack}/services/canary");
    let args = TestAlertArgs { resolve: true, ..TestAlertArgs::default() };
    let (exit, out, err) = asked(TWO, args, &[("SLACK_URL", &slack), ("AM", &alertmanager)]).await;
    assert_eq!((exit, err.as_str()), (exit::OK, ""));
    assert_eq!(
        out,
        "slack (slack)  open  sent: answers 200\nslack (slack)  resolve  sent: answers 200\n\
         on-call (alertmanager)  open  sent: answers 202\non-call (alertmanager)  resolve  sent: answers 202\n"
    );
    let heard = slack_heard.join().unwrap() + &heard.join().unwrap();
    assert_eq!(heard.matches("TEST, nothing happened").count(), 6, "{heard}");
    assert!(!out.contains("canary"));
}

#[tokio::test]
async fn one_that_does_not_take_it_is_an_exit_of_five_and_does_not_hold_up_the_others() {
    let (slack, _heard) = receiver("404", 1);
    let (alertmanager, _heard) = receiver("200", 1);
    let args = TestAlertArgs { json: true, ..TestAlertArgs::default() };
    let (exit, out, err) = asked(TWO, args, &[("SLACK_URL", &slack), ("AM", &alertmanager)]).await;
    assert_eq!(exit, exit::UPSTREAM);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["sent"], false);
    assert_eq!(
        (&lines[0]["error"], &lines[0]["sink"], &lines[0]["type"]),
        (&json!("answers 404"), &json!("slack"), &json!("incident.opened"))
    );
    assert_eq!((&lines[1]["sent"], &lines[1]["status"], lines.len()), (&json!(true), &json!(200), 2));
    assert!(err.starts_with("hint: "), "{err}");
}

#[tokio::test]
async fn only_the_one_that_is_named_is_told() {
    let (alertmanager, _heard) = receiver("200", 1);
    let variables = [("SLACK_URL", "http://127.0.0.1:9/canary"), ("AM", alertmanager.as_str())];
    let named = |name: &str| TestAlertArgs { sink: Some(name.into()), ..TestAlertArgs::default() };
    let (exit, out, err) = asked(TWO, named("on-call"), &variables).await;
    assert_eq!((exit, out.as_str()), (exit::OK, "on-call (alertmanager)  open  sent: answers 200\n"));
    assert!(err.contains("--resolve ends it"), "{err}");
    let (exit, out, err) = asked(TWO, named("oncall\u{1b}"), &variables).await;
    assert_eq!((exit, out.as_str()), (exit::USAGE, ""));
    let hint = "did you mean `on-call`? the receivers are: slack, on-call";
    assert_eq!(err, format!("error: no alert is called \"oncall\\u{{1b}}\"\nhint: {hint}\n"));
}

#[tokio::test]
async fn without_a_receiver_or_with_a_bad_one_it_says_what_to_do() {
    let (exit, _, err) = asked("", TestAlertArgs::default(), &[]).await;
    assert_eq!(exit, exit::CONFIG);
    assert!(
        err.contains("seawall.toml: nobody is told of incidents") && err.contains("[[alert]]\n  kind = \"slack\""),
        "{err}"
    );
    let folder = tempfile::tempdir().unwrap();
    let (exit, _, err) = run_in(folder.path(), TestAlertArgs::default(), &[]).await;
    assert!(exit == exit::CONFIG && err.contains("there is no configuration, so nobody"), "{err}");
    let (exit, _, err) = asked("[[alert]]\nkind = \"slakc\"\n", TestAlertArgs::default(), &[]).await;
    assert!(exit == exit::CONFIG && err.contains("did you mean \"slack\"?"), "{err}");
}
