//! The part of an address behind the `?`, and segments of its path: text, percent-decoded.

/// Bytes of a query that are looked at.
const QUERY_BYTES_MAX: usize = 8 * 1024;

/// The parameters of a query, in their order.
pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let query = query.unwrap_or_default();
    let query = &query[..query.floor_char_boundary(QUERY_BYTES_MAX)];
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// `text` with `%2F` and its like undone; what is no such thing stays as it is, and bytes that are no text are
/// replaced.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_escaped_is_text_again() {
        for (given, expected) in [
            ("a%2Fb", "a/b"),
            ("%E6%9D%B1", "東"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%", "%"),
            ("%ff", "\u{fffd}"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(decoded(given), expected, "{given}");
        }
    }

    #[test]
    fn parameters_come_in_their_order() {
        let found = pairs(Some("since=1h&model=gpt%2D4o+mini&&limit&x=a=b"));
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("since", "1h"), ("model", "gpt-4o mini"), ("limit", ""), ("x", "a=b")]);
        assert_eq!(pairs(None), []);
    }

    #[test]
    fn an_endless_query_is_looked_at_up_to_its_limit() {
        let long = format!("a={}", "東".repeat(QUERY_BYTES_MAX));
        assert!(pairs(Some(&long))[0].1.len() <= QUERY_BYTES_MAX);
    }
}
