//! What may be written down of a message that an upstream sent.
//!
//! Error messages are the most useful thing in the record and the most dangerous: upstreams like
//! to quote what they were sent. So before a message is stored or shown, whatever it shares with
//! the request is taken out, whatever looks like a credential is taken out, and what remains is
//! short and harmless to a terminal. If there is no request to compare with, only messages whose
//! wording is known pass, and of those only the known words and the numbers.

mod credential;
mod echo;
mod template;

use http::HeaderMap;

/// The longest message that is written down, in bytes (`rulings` 23).
pub const MESSAGE_BYTES_MAX: usize = 512;

/// The longest message that is looked at, in bytes. What follows is not written down.
pub const TEXT_BYTES_MAX: usize = 4096;

/// The shortest run shared with the request that is taken out, in bytes (`rulings` 23).
pub const ECHO_BYTES_MIN: usize = 12;

/// The shortest run shared with a secret that is taken out, in bytes.
pub const SECRET_BYTES_MIN: usize = 8;

/// What stands for words of the request.
pub const INPUT: &str = "‹input›";

/// What stands for a credential.
pub const CREDENTIAL: &str = "‹credential›";

/// What stands for a message that could not be compared with its request.
pub const WITHHELD: &str = "‹withheld›";

/// What a message is compared with: the request, as the caller sent it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The headers. Those that carry credentials are looked at more closely.
    pub headers: &'a HeaderMap,
    /// The whole body, empty if there was none; `None` if it was not kept.
    pub body: Option<&'a [u8]>,
}

/// `text` as it may be written down.
///
/// Any run of [`ECHO_BYTES_MIN`] bytes that also occurs in the request, as sent or with its JSON
/// escapes resolved, becomes [`INPUT`]; credentials become [`CREDENTIAL`]; the rest is stripped of
/// control characters and cut to [`MESSAGE_BYTES_MAX`] bytes. Without the body to compare with, a
/// text that is no known message becomes [`WITHHELD`].
///
/// The work is linear in the request: 0.4 ms a MiB of prose, 3 ms a MiB of escapes, five times
/// that if most of it is repeated in a long message. Above 4 MiB, do it off the thread that serves
/// others.
///
/// ```
/// use seawall_core::redact::{Input, message};
///
/// let headers = http::HeaderMap::new();
/// let body = br#"{"user":"what I wrote\nto you"}"#;
/// let input = Input { headers: &headers, body: Some(body) };
/// assert_eq!(message("invalid: what I wrote\nto you", Some(&input)), "invalid: ‹input›");
/// assert_eq!(message("invalid: what I wrote\nto you", None), "‹withheld›");
/// ```
#[must_use]
pub fn message(text: &str, input: Option<&Input<'_>>) -> String {
    message_without(text, input, &[])
}

/// Like [`message`], and without any run of [`SECRET_BYTES_MIN`] bytes of `secrets` either: the
/// upstream's own key stands in no header of the caller's.
#[must_use]
pub fn message_without(text: &str, input: Option<&Input<'_>>, secrets: &[&str]) -> String {
    let is_whole = text.len() <= TEXT_BYTES_MAX;
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    let Some(&Input { headers, body: Some(body) }) = input else {
        return template::known(text).unwrap_or_else(|| WITHHELD.to_owned());
    };
    let mut cover = Cover::over(text);
    echo::cover(&mut cover, headers, body);
    credential::cover(&mut cover, headers, secrets);
    if !is_whole {
        cover.drop_last_run();
    }
    cover.written()
}

/// Which bytes of a text may not be written down.
struct Cover<'a> {
    text: &'a str,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Free,
    Input,
    Credential,
}

impl<'a> Cover<'a> {
    fn over(text: &'a str) -> Self {
        Cover { text, marks: vec![Mark::Free; text.len()] }
    }

    /// Covers the bytes of `range`. A credential stays one.
    fn mark(&mut self, range: std::ops::Range<usize>, with: Mark) {
        for mark in &mut self.marks[range] {
            *mark = with.max(*mark);
        }
    }

    /// Covers the last few bytes of a text that was cut: they may be the beginning of something.
    fn drop_last_run(&mut self) {
        let start = self.text.len().saturating_sub(ECHO_BYTES_MIN);
        self.mark(start..self.text.len(), Mark::Input);
    }

    /// The text with each covered run replaced, cleaned and cut. A run that holds any part of a
    /// credential is one.
    fn written(&self) -> String {
        let mut out = String::with_capacity(self.text.len().min(MESSAGE_BYTES_MAX));
        let mut run = Mark::Free;
        for (at, character) in self.text.char_indices() {
            // A character that is covered in part is covered.
            let marks = &self.marks[at..at + character.len_utf8()];
            let mark = marks.iter().copied().max().unwrap_or(Mark::Free);
            if mark != Mark::Free {
                run = run.max(mark);
                continue;
            }
            out.push_str(std::mem::replace(&mut run, Mark::Free).word());
            out.push(harmless(character));
            if out.len() > MESSAGE_BYTES_MAX {
                break;
            }
        }
        out.push_str(run.word());
        out.truncate(out.floor_char_boundary(MESSAGE_BYTES_MAX));
        out
    }
}

impl Mark {
    /// What is written in place of a run.
    const fn word(self) -> &'static str {
        match self {
            Mark::Free => "",
            Mark::Input => INPUT,
            Mark::Credential => CREDENTIAL,
        }
    }
}

/// `character`, or a space for one that would move a cursor, end a line or turn text around.
fn harmless(character: char) -> char {
    match character {
        _ if character.is_control() => ' ',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => ' ',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn against(text: &str, body: &str) -> String {
        message(text, Some(&Input { headers: &HeaderMap::new(), body: Some(body.as_bytes()) }))
    }

    #[test]
    fn what_is_not_the_callers_is_kept() {
        let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}"#;
        for text in [
            "The server had an error while processing your request. Sorry about that!",
            "The model `gpt-4o` does not exist or you do not have access to it.",
            "Rate limit reached for gpt-4o: Limit 10000, Used 8782. Please try again in 41.724s.",
            "eleven byte",
            "",
        ] {
            assert_eq!(against(text, body), text);
        }
    }

    #[test]
    fn a_shared_run_is_taken_out_from_twelve_bytes_on() {
        assert_eq!(against("so: 123456789012.", "x123456789012x"), "so: ‹input›.");
        assert_eq!(against("so: 12345678901.", "x12345678901x"), "so: 12345678901.");
        assert_eq!(against("123456789012", "123456789012"), "‹input›");
        // Two runs that overlap, each in another place of the request.
        assert_eq!(against("<abcdefghijklmnop>", "abcdefghijkl efghijklmnop"), "<‹input›>");
    }

    #[test]
    fn a_run_is_found_with_its_escapes_resolved_on_either_side() {
        let body = r#"{"content":"caf\u00e9 \"au\" lait\n\ud83d\ude00 \/"}"#;
        assert_eq!(against("bad: café \"au\" lait\n😀 / end", body), "bad: ‹input› end");
        assert_eq!(against(r"bad: caf\u00e9 \u0022au\u0022 lait\n end", body), "bad: ‹input› end");
        assert_eq!(against(r#"bad: caf\u00e9 \"au\" lait\n end"#, body), "bad: ‹input› end");
        let plain = "{\"content\":\"café au lait, please\"}";
        assert_eq!(against(r"bad: caf\u00e9 au lait, please end", plain), "bad: ‹input› end");
    }

    #[test]
    fn a_character_covered_in_part_is_covered() {
        // The shared run begins with the second byte of an é.
        let body = [b"\xa9".as_slice(), b"12345678901"].concat();
        let headers = HeaderMap::new();
        let input = Input { headers: &headers, body: Some(&body) };
        assert_eq!(message("é12345678901é", Some(&input)), "‹input›é");
    }

    #[test]
    fn headers_are_the_callers_too() {
        let mut headers = HeaderMap::new();
        headers.insert("x-title", "A title of my own".parse().expect("a value"));
        headers.insert("authorization", "Bearer 0123456789abcdef".parse().expect("a value"));
        let input = Input { headers: &headers, body: Some(b"") };
        assert_eq!(message("no: A title of my own!", Some(&input)), "no: ‹input›!");
        assert_eq!(message("no:(0123456789abcdef)", Some(&input)), "no:(‹credential›)");
        // A secret is hidden from its eighth byte on.
        assert_eq!(message("no: 01234567.. of 89abcdef!", Some(&input)), "no: ‹credential›.. of ‹credential›!");
        assert_eq!(message_without("no: stream-key!", Some(&input), &["own-upstream-key"]), "no: ‹credential›!");
        assert_eq!(message("no: 0123456.", Some(&input)), "no: 0123456.");
    }

    #[test]
    fn nothing_that_acts_up_in_a_terminal_or_a_log_is_left() {
        let text = "a\x1b[31mred\x07\r\nnew line\u{85}\u{202e}turned\u{200b}\u{2028}\u{feff}\x7f";
        let written = against(text, "");
        assert_eq!(written, "a [31mred   new line  turned    ");
        assert!(!written.chars().any(char::is_control));
    }

    #[test]
    fn a_message_is_cut_at_its_limit_and_between_characters() {
        assert_eq!(against(&"x".repeat(MESSAGE_BYTES_MAX), "").len(), MESSAGE_BYTES_MAX);
        assert_eq!(against(&"x".repeat(MESSAGE_BYTES_MAX + 1), "").len(), MESSAGE_BYTES_MAX);
        let written = against(&format!("{}é", "x".repeat(MESSAGE_BYTES_MAX - 1)), "");
        assert_eq!(written, "x".repeat(MESSAGE_BYTES_MAX - 1));
    }

    #[test]
    fn only_so_much_of_a_text_is_looked_at() {
        let prompt = "a prompt of the caller's. ".repeat(200);
        let text = format!("{}{}end", &prompt[..TEXT_BYTES_MAX - 4], "abcdefgh");
        assert_eq!(against(&text, &prompt), INPUT);
        let text = format!("{}end", &prompt[..TEXT_BYTES_MAX - 3]);
        assert_eq!(against(&text, &prompt), format!("{INPUT}end"));
    }

    #[test]
    fn without_the_request_only_known_words_pass() {
        let known = "The server had an error while processing your request. Sorry about that!";
        assert_eq!(message(known, None), known);
        assert_eq!(message(&format!("{known} And you wrote: secret"), None), known);
        assert_eq!(message("you wrote: secret", None), WITHHELD);
        let not_kept = Input { headers: &HeaderMap::new(), body: None };
        assert_eq!(message("you wrote: secret", Some(&not_kept)), WITHHELD);
    }

    /// How a canary is written into a body or a message.
    #[derive(Debug, Clone, Copy)]
    enum Written {
        Plain,
        Escaped,
        Ascii,
    }

    fn write(text: &str, how: Written) -> String {
        let quoted = serde_json::to_string(text).expect("a string can be written");
        let inside = &quoted[1..quoted.len() - 1];
        match how {
            Written::Plain => text.to_owned(),
            Written::Escaped => inside.to_owned(),
            Written::Ascii => text
                .encode_utf16()
                .map(|unit| match u8::try_from(unit) {
                    Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                    _ => format!("\\u{unit:04x}"),
                })
                .collect(),
        }
    }

    fn how() -> impl Strategy<Value = Written> {
        prop::sample::select(&[Written::Plain, Written::Escaped, Written::Ascii][..])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_canary_survives(
            canary in "[a-zA-Z0-9 \"\\\\/é\u{1f600}\n\t<>-]{12,60}",
            before in "[a-z .]{0,600}",
            after in "[a-z .]{0,40}",
            filler in "[a-z\\\\\" ]{0,300}",
            (in_body, in_text) in (prop::sample::select(&[Written::Escaped, Written::Ascii][..]), how()),
        ) {
            let filler = write(&filler, Written::Escaped);
            let body = format!("{{\"a\":\"{filler}\",\"b\":\"{}\",\"c\":\"{filler}\"}}", write(&canary, in_body));
            let written = against(&format!("{before}{}{after}", write(&canary, in_text)), &body);
            prop_assert!(written.len() <= MESSAGE_BYTES_MAX);
            prop_assert!(!written.contains(&canary));
            // Nor any run of it that is long enough.
            let cleaned: String = canary.chars().map(harmless).collect();
            for start in cleaned.char_indices().map(|(at, _)| at) {
                let end = cleaned.ceil_char_boundary((start + ECHO_BYTES_MIN).min(cleaned.len()));
                let run = &cleaned[start..end];
                let is_elsewhere = before.contains(run) || after.contains(run) || format!("{before}{after}").contains(run);
                if run.len() >= ECHO_BYTES_MIN && !is_elsewhere {
                    prop_assert!(!written.contains(run), "{run:?} in {written:?}");
                }
            }
        }

        #[test]
        fn no_header_survives(canary in "[!-~]{12,60}", before in "[a-z .]{0,600}", after in "[a-z .]{0,40}") {
            let mut headers = HeaderMap::new();
            headers.insert("x-custom", canary.parse().expect("visible ASCII"));
            let input = Input { headers: &headers, body: Some(b"{}") };
            let written = message(&format!("{before}{canary}{after}"), Some(&input));
            prop_assert!(!written.contains(&canary));
        }

        #[test]
        fn any_text_becomes_a_short_harmless_one(text in ".{0,300}", body in prop::collection::vec(any::<u8>(), 0..300)) {
            let headers = HeaderMap::new();
            let written = message(&text, Some(&Input { headers: &headers, body: Some(&body) }));
            prop_assert!(written.len() <= MESSAGE_BYTES_MAX && !written.chars().any(char::is_control));
            prop_assert!(message(&text, None).len() <= MESSAGE_BYTES_MAX);
        }
    }
}
