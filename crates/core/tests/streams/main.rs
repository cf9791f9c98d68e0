//! Streams of every dialect, however the network cuts them: the same events, the same story.

#![allow(clippy::unwrap_used, reason = "a file that is wrong fails the test where it stands")]

mod checks;

use std::path::PathBuf;

use proptest::prelude::*;
use seawall_core::request::{Dialect, Endpoint};
use seawall_core::verdict::stream::{End, Watch};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

struct Recorded {
    name: String,
    dialect: Dialect,
    choices: u32,
    bytes: Vec<u8>,
    content: usize,
    terminal: usize,
}

fn recorded() -> Vec<Recorded> {
    let folder = root().join("tests/streams");
    let about: Value = serde_json::from_slice(&std::fs::read(folder.join("about.json")).unwrap()).unwrap();
    let read = |about: &Value| {
        let text = |key: &str| about[key].as_str().unwrap();
        let body = about["ask"].to_string();
        let (method, headers) = (http::Method::POST, http::HeaderMap::new());
        let asked = seawall_core::request::Request::of(
            &method,
            text("path"),
            &headers,
            Some(body.as_bytes()),
            body.len() as u64,
        );
        let bytes = std::fs::read(folder.join(text("name")).with_extension("sse")).unwrap();
        let is_end = |end: &usize| bytes[..*end].ends_with(b"\n\n") || bytes[..*end].ends_with(b"\r\n\r");
        let end_of = |marker: &str| {
            let at = bytes.windows(marker.len()).position(|window| window == marker.as_bytes()).unwrap();
            (at..=bytes.len()).find(is_end).unwrap()
        };
        Recorded {
            name: text("name").to_owned(),
            dialect: Endpoint::of(&method, text("path")).dialect().unwrap(),
            choices: asked.choices,
            content: end_of(text("content")),
            terminal: end_of(text("terminal")),
            bytes,
        }
    };
    about["streams"].as_array().unwrap().iter().map(read).collect()
}

#[test]
fn a_cut_anywhere_is_known_for_what_it_is() {
    for stream in recorded() {
        for cut in 0..=stream.bytes.len() {
            let mut watch = Watch::new(stream.dialect, stream.choices);
            watch.push(&stream.bytes[..cut]);
            let expected = match cut {
                _ if cut < stream.content => End::CutBeforeContent,
                _ if cut < stream.terminal => End::CutAfterContent,
                _ => End::Complete,
            };
            assert_eq!(watch.end(), expected, "{} cut at {cut}", stream.name);
        }
    }
}

/// What streams are made of, good and bad.
const PIECES: &[&str] = &[
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "\u{feff}",
    "data: ",
    "data:",
    "event: error\n",
    "event: response.failed\n",
    "event: thread.run.completed\n",
    "id: 7\n",
    ": comment\n",
    "[DONE]",
    "{\"choices\":[",
    "{\"delta\":{\"content\":\"é\"}}",
    "{\"index\":1,\"finish_reason\":\"stop\"}",
    "]}",
    "{\"error\":",
    "\"type\":\"error\"",
    "\"type\":\"message_stop\"",
    "\"finish_reason\":",
    "\"sequence_number\":12",
    "\"usage\":{\"input_tokens\":3}",
    "{",
    "}",
    ",",
    "\u{1f600}",
];

fn made_up() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_split_of_a_recorded_stream_gives_the_same(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(0u8..80, 1..8),
    ) {
        let streams = recorded();
        let stream = which.get(&streams);
        let bytes = &stream.bytes[..=cut.index(stream.bytes.len())];
        checks::any_split_gives_the_same_events(bytes, &sizes);
        checks::any_split_tells_the_same_story(stream.dialect, stream.choices, bytes, &sizes);
    }

    #[test]
    fn any_split_of_a_made_up_stream_gives_the_same(
        stream in made_up(),
        dialect in prop::sample::select(Dialect::ALL),
        choices in 0u32..4,
        sizes in prop::collection::vec(0u8..30, 1..8),
    ) {
        checks::any_split_gives_the_same_events(&stream, &sizes);
        checks::any_split_tells_the_same_story(dialect, choices, &stream, &sizes);
    }
}

#[test]
fn what_fuzzing_has_found_holds() {
    let mut files = 0;
    for (folder, check) in [("sse", checks::events_of as fn(&[u8])), ("watch", checks::story_of)] {
        for file in std::fs::read_dir(root().join("fuzz/corpus").join(folder)).unwrap() {
            check(&std::fs::read(file.unwrap().path()).unwrap());
            files += 1;
        }
    }
    assert!(files >= 20, "only {files} files");
}
