//! Credentials in the text of a configuration, hidden before a line of it is shown.
//!
//! It works on text, not on a parsed document, because the document may be the very thing that
//! does not parse. Every hidden byte becomes one `*`, so that carets still point at their place.
//! References such as `${OPENAI_API_KEY}` stay readable: they say where a key is, not what it is.

use std::ops::Range;

/// A key whose name contains one of these holds a credential.
const NAMES: [&str; 6] = ["key", "token", "secret", "password", "authorization", "headers"];
/// A key of this name holds an address whose path may be a credential: the `url` of an alert.
const ADDRESS: &str = "url";
/// Text that begins like this is a credential wherever it stands.
const PREFIXES: [&str; 4] = ["sk-", "whsec_", "Bearer ", "Basic "];

/// `text` with everything that may be a credential masked, and the values at `also`.
pub(super) fn credentials(text: &str, also: impl Iterator<Item = Range<usize>>) -> String {
    let mut hidden: Vec<Range<usize>> = also.flat_map(|value| values_at(text, value.start)).collect();
    hidden.extend(assignments(text));
    hidden.extend(prefixed(text));
    hidden.extend(in_urls(text));
    let mut shown = text.as_bytes().to_vec();
    for range in hidden {
        hide(text, range, &mut shown);
    }
    // Whole characters are replaced by ASCII, so this is UTF-8 as the input was.
    String::from_utf8_lossy(&shown).into_owned()
}

/// The values of keys whose names say that they are secret.
fn assignments(text: &str) -> impl Iterator<Item = Range<usize>> {
    let value = move |at: usize| {
        let before = text[..at].trim_end_matches([' ', '\t', '"', '\'']);
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || "_-".contains(c))).map_or(0, |last| last + 1);
        let name = before.get(start..)?.to_ascii_lowercase();
        let value = at + 1 + leading(&text[at + 1..], |c| c == ' ' || c == '\t');
        (name == ADDRESS || NAMES.iter().any(|word| name.contains(word))).then_some(value)
    };
    let mut end = 0;
    text.match_indices('=').flat_map(move |(at, _)| {
        // What is inside a list is hidden with it.
        let Some(start) = value(at).filter(|_| at >= end) else { return Vec::new() };
        let values = values_at(text, start);
        end = values.last().map_or(end, |last| last.end);
        values
    })
}

/// What may be secret in the TOML value that begins at `start`: all of it, or all that is in a list or a table.
fn values_at(text: &str, start: usize) -> Vec<Range<usize>> {
    let is_open = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(['[', '{']));
    if !is_open(start) {
        return vec![value_at(text, start)];
    }
    let (mut found, mut depth, mut at) = (Vec::new(), 0_u32, start);
    // A list without an end hides the rest of the file: better than showing what may be in it.
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match next {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            '"' | '\'' => {
                let value = value_at(text, at);
                let quote = &text[at..value.start];
                at = value.end + if text[value.end..].starts_with(quote) { quote.len() } else { 0 };
                found.push(value);
                continue;
            }
            '#' => {
                let comment = at..at + leading(&text[at..], |c| c != '\n');
                at = comment.end;
                found.push(comment);
                continue;
            }
            ',' | '=' => {}
            c if c.is_whitespace() => {}
            // No value at all.
            c => found.push(at..at + c.len_utf8()),
        }
        if depth == 0 {
            break;
        }
        at += next.len_utf8();
    }
    found
}

/// The TOML value that begins at `start`: inside its quotes, to the end of the line if they are not closed.
fn value_at(text: &str, start: usize) -> Range<usize> {
    let Some(rest) = text.get(start..) else { return start..start };
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote));
    let Some(quote) = quote else {
        return start..start + leading(rest, |c| !c.is_whitespace() && !",]}&\"'".contains(c));
    };
    let inner = &rest[quote.len()..];
    let line = inner.find('\n').filter(|_| quote.len() == 1).unwrap_or(inner.len());
    let length = closing(&inner[..line], quote).unwrap_or(line);
    start + quote.len()..start + quote.len() + length
}

/// Where `quote` closes; after a backslash a basic string goes on.
fn closing(inner: &str, quote: &str) -> Option<usize> {
    let basic = quote.starts_with('"');
    let mut from = 0;
    loop {
        let at = from + inner[from..].find(quote)?;
        let backslashes = inner[..at].bytes().rev().take_while(|&byte| byte == b'\\').count();
        if !basic || backslashes % 2 == 0 {
            return Some(at);
        }
        from = at + 1;
    }
}

fn prefixed(text: &str) -> impl Iterator<Item = Range<usize>> {
    PREFIXES.iter().flat_map(move |prefix| {
        text.match_indices(prefix).map(move |(at, _)| {
            let start = at + prefix.len();
            start..start + leading(&text[start..], |c| c.is_alphanumeric() || "_-.+/=~".contains(c))
        })
    })
}

/// `user:password` before the `@` of an address.
fn in_urls(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, _)| {
        let start = at + 3;
        let authority = &text[start..start + leading(&text[start..], |c| !c.is_whitespace() && !"/?#\"'".contains(c))];
        authority.rfind('@').map(|end| start..start + end)
    })
}

/// Bytes at the start of `text` whose characters all fit.
fn leading(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !fits(c)).unwrap_or(text.len())
}

/// Overwrites `range`, but for line ends and the names in `${…}`.
fn hide(text: &str, range: Range<usize>, shown: &mut [u8]) {
    let mut at = range.start;
    while at < range.end {
        let kept = reference(&text[at..range.end]);
        if kept == 0 {
            if shown[at] != b'\n' && shown[at] != b'\r' {
                shown[at] = b'*';
            }
            at += 1;
            // Only whole characters may be looked at again.
            while at < range.end && !text.is_char_boundary(at) {
                shown[at] = b'*';
                at += 1;
            }
        }
        at += kept;
    }
}

/// The length of a reference at the start, without a default value: `${NAME}` or `${NAME:-`.
fn reference(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("${") else { return usize::from(text.starts_with('}')) };
    let name = leading(inner, |c| c.is_ascii_alphanumeric() || c == '_');
    let after = &inner[name..];
    if after.starts_with(":-") {
        2 + name + 2
    } else if inner.starts_with("file:") || inner.starts_with("credential:") || after.starts_with('}') {
        2 + inner.find('}').map_or(0, |end| end + 1)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let shown = credentials(text, std::iter::empty());
        assert_eq!(shown.len(), text.len(), "carets must still point at their place");
        shown
    }

    #[test]
    fn values_of_secret_keys_are_masked_wherever_they_stand() {
        for (text, shown) in [
            ("api_key = \"abc\"", "api_key = \"***\""),
            ("token='abc' # why", "token='***' # why"),
            ("admin_token = \"\"\"a\nb\"\"\"", "admin_token = \"\"\"*\n*\"\"\""),
            ("u = [{ api_key = \"a\\\"b\", name = \"n\" }]", "u = [{ api_key = \"****\", name = \"n\" }]"),
            ("api_key = \"abc\nname = \"n\"", "api_key = \"***\nname = \"n\""),
            ("api_key = abc", "api_key = ***"),
            ("api_key = [\"abc\"]\nname", "api_key = [\"***\"]\nname"),
            (
                "api_keys = [\n\"a[c\", # ] was\n'e'\n]\nname = \"n\"",
                "api_keys = [\n\"***\", *******\n'*'\n]\nname = \"n\"",
            ),
            ("api_keys = [\"a\", \"b\nname = \"n\"", "api_keys = [\"*\", \"*\n**** = \"*\""),
            ("api_key = { a = \"b\" }\nname", "api_key = { * = \"*\" }\nname"),
            ("api_keys = [\"${A}\", \"x${B:-c}\"]", "api_keys = [\"${A}\", \"*${B:-*}\"]"),
            ("\"api-key\" = \"é\"", "\"api-key\" = \"**\""),
            ("name = \"sk-abc_1\"", "name = \"sk-*****\""),
            ("base_url = \"https://me:pw@host/v1\"", "base_url = \"https://*****@host/v1\""),
            ("base_url = \"https://host/v1?api-key=abc&v=1\"", "base_url = \"https://host/v1?api-key=***&v=1\""),
            ("url = \"https://a.example/T/B\"", "url = \"*********************\""),
            ("url = \"${SLACK_URL}\"", "url = \"${SLACK_URL}\""),
            ("name = \"whsec_Ab1+/=\"", "name = \"whsec_******\""),
            ("max_attempts = 4", "max_attempts = 4"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn references_stay_readable_and_their_defaults_do_not() {
        for (text, shown) in [
            ("api_key = \"${OPENAI_API_KEY}\"", "api_key = \"${OPENAI_API_KEY}\""),
            ("api_key = \"${A:-abc}\"", "api_key = \"${A:-***}\""),
            ("api_key = \"${file:/run/key}\"", "api_key = \"${file:/run/key}\""),
            ("api_key = \"${credential:openai}\"", "api_key = \"${credential:openai}\""),
            ("api_key = \"${credentials:abc}\"", "api_key = \"*****************}\""),
            ("api_key = \"a${A}b\"", "api_key = \"*${A}*\""),
            ("api_key = \"${abc\"", "api_key = \"*****\""),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn masking_never_breaks_on_odd_text() {
        for text in [
            "=",
            "key=",
            "key=\"",
            "key='''",
            "token=\"\\",
            "sk-",
            "://@",
            "key = é",
            "${",
            "key=${",
            "key=\"}${file:\"",
        ] {
            masked(text);
        }
    }
}
