//! What looks like a credential, and what is one.
//!
//! Keys have well-known beginnings, and the words before them give the others away. The caller's
//! own credentials are known for certain, so shorter pieces of them count: providers mask a key by
//! showing its ends. A little too much is hidden rather than a little too little.

use std::collections::HashSet;

use http::HeaderMap;

use super::{Cover, Mark, SECRET_BYTES_MIN};

/// Beginnings of keys, and how many more bytes make one of them more than a word.
const PREFIXES: [(&str, usize); 14] = [
    ("sk-", 5),
    ("sk_", 5),
    ("pk-", 5),
    ("rk-", 5),
    ("sess-", 5),
    ("gsk_", 5),
    ("xai-", 5),
    ("hf_", 5),
    ("ghp_", 5),
    ("AIza", 8),
    ("AKIA", 8),
    // The head of a JSON object in base64: a signed token.
    ("eyJ", 8),
    ("org-", 12),
    ("proj_", 12),
];

/// Words before a secret, without what joins them to it.
const NAMES: [&str; 12] = [
    "api-key",
    "api_key",
    "apikey",
    "api key",
    "access_token",
    "authorization",
    "cookie",
    "password",
    "secret",
    "token",
    "key",
    "sig",
];

/// Schemes of the `authorization` header.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// Covers what is, or looks like, a credential.
pub(super) fn cover(cover: &mut Cover<'_>, headers: &HeaderMap, secrets: &[&str]) {
    cover_known(cover, headers, secrets);
    let text = cover.text.as_bytes();
    for at in 0..text.len() {
        let begins_word = at == 0 || !text[at - 1].is_ascii_alphanumeric();
        if begins_word && let Some(end) = secret_end(text, at) {
            cover.mark(at..end, Mark::Credential);
        }
    }
}

/// Covers every piece of a secret that is known.
fn cover_known(cover: &mut Cover<'_>, headers: &HeaderMap, secrets: &[&str]) {
    let carriers = headers.iter().filter(|(name, _)| carries_secrets(name.as_str())).map(|(_, value)| value.as_bytes());
    let all = carriers.chain(secrets.iter().map(|secret| secret.as_bytes()));
    let words = all.flat_map(|value| value.split(u8::is_ascii_whitespace));
    let pieces: HashSet<&[u8]> = words.flat_map(|word| word.windows(SECRET_BYTES_MIN)).collect();
    if pieces.is_empty() {
        return;
    }
    for (at, window) in cover.text.as_bytes().windows(SECRET_BYTES_MIN).enumerate() {
        if pieces.contains(window) {
            cover.mark(at..at + SECRET_BYTES_MIN, Mark::Credential);
        }
    }
}

/// Whether a header of this name is there to identify someone.
fn carries_secrets(name: &str) -> bool {
    matches!(name, "openai-organization" | "openai-project" | "sec-websocket-protocol")
        || ["auth", "key", "token", "secret", "cookie"].iter().any(|word| name.contains(word))
}

/// Where the credential ends that begins at `at`, if one does.
fn secret_end(text: &[u8], at: usize) -> Option<usize> {
    let rest = &text[at..];
    for (prefix, more) in PREFIXES {
        if let Some(key) = rest.strip_prefix(prefix.as_bytes()) {
            let end = at + prefix.len() + run(key);
            return (end >= at + prefix.len() + more).then_some(end);
        }
    }
    for scheme in SCHEMES {
        if let Some(after) = strip(rest, scheme) {
            let start = at + scheme.len() + spaces(after);
            let token = &text[start..start + run(&text[start..])];
            let is_word = token.iter().all(u8::is_ascii_alphabetic) && token.len() < 16;
            return (start > at + scheme.len() && token.len() >= SECRET_BYTES_MIN && !is_word)
                .then_some(start + token.len());
        }
    }
    for name in NAMES {
        if let Some(after) = strip(rest, name)
            && let Some(start) = value_start(after, name.len() > 6)
        {
            let start = at + name.len() + start;
            let value = run(&text[start..]);
            // A scheme is no secret; what follows it is found on its own.
            let is_scheme =
                SCHEMES.iter().any(|scheme| text[start..start + value].eq_ignore_ascii_case(scheme.as_bytes()));
            return (value > 0 && !is_scheme).then_some(start + value);
        }
    }
    None
}

/// Where the value begins after a name: behind `=`, or behind `:` if `may_colon` (a short name and
/// a colon are ordinary English), quotes and spaces around either.
fn value_start(after: &[u8], may_colon: bool) -> Option<usize> {
    let quote = |bytes: &[u8]| usize::from(matches!(bytes.first(), Some(b'"' | b'\'' | b'`')));
    let mut at = quote(after);
    at += spaces(&after[at..]);
    match after.get(at)? {
        b'=' => {}
        b':' if may_colon => {}
        _ => return None,
    }
    at += 1;
    at += spaces(&after[at..]);
    Some(at + quote(&after[at..]))
}

/// What follows `word` at the beginning of `text`, in either case.
fn strip<'a>(text: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let (begin, after) = text.split_at_checked(word.len())?;
    begin.eq_ignore_ascii_case(word.as_bytes()).then_some(after)
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b' ').count()
}

/// Bytes at the beginning that keys are made of, masked or encoded ones too. A full stop belongs
/// to a key only if more of it follows.
fn run(text: &[u8]) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+/=*%~".contains(byte);
    let mut length = text.iter().take_while(|byte| is_part(byte)).count();
    while length > 0 && text[length - 1] == b'.' {
        length -= 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::super::{Input, message};
    use super::*;

    fn written(text: &str) -> String {
        message(text, Some(&Input { headers: &HeaderMap::new(), body: Some(b"") }))
    }

    #[test]
    fn what_looks_like_a_credential_is_hidden() {
        for (text, expected) in [
            ("Incorrect API key provided: sk-proj-abcd****wxyz. See", "Incorrect API key provided: ‹credential›. See"),
            ("sk-abcde", "‹credential›"),
            ("(sess-abc123def)", "(‹credential›)"),
            ("in organization org-AbCdEfGh123456 on tokens", "in organization ‹credential› on tokens"),
            ("Authorization: Bearer abc123def456 was", "Authorization: ‹credential› was"),
            ("got bearer YOUR_KEY here", "got ‹credential› here"),
            ("GET /v1?key=AbC123&alt=sse", "GET /v1?‹credential›&alt=sse"),
            ("api-key=0123 and API_KEY: '4567'", "‹credential› and ‹credential›'"),
            ("x-api-key: 0123456789", "x-‹credential›"),
            ("token=abc;", "‹credential›;"),
            ("a eyJhbGciOiJI.eyJzdWIi.c2ln b", "a ‹credential› b"),
            ("key AIzaSyA1234567 failed", "key ‹credential› failed"),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    #[test]
    fn ordinary_words_are_not() {
        for text in [
            "task-force and disk-space are words, and so is desk-lamp",
            "sk-abcd",
            "an org-wide limit, an org-level one",
            "Bearer token is missing",
            "Bearer authentication failed",
            "Invalid key: messages",
            "monkey=business",
            "You exceeded your current quota, please check your plan.",
            "The token limit is 128000 tokens; tokens: 5",
            "request ID 0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn pieces_of_the_callers_own_credentials_are_known() {
        for name in ["authorization", "api-key", "x-api-key", "cookie", "openai-organization", "x-goog-api-key"] {
            let mut headers = HeaderMap::new();
            headers.insert(name, "Bearer zzzz1234yyyy".parse().expect("a value"));
            let input = Input { headers: &headers, body: Some(b"") };
            assert_eq!(message("<zzzz1234>", Some(&input)), "<‹credential›>", "{name}");
            assert_eq!(message("<zzz1234>", Some(&input)), "<zzz1234>", "{name}");
        }
    }
}
