//! Messages whose wording is known, for when there is no request to compare with.
//!
//! Providers use the same few sentences (`wire.md` 3.1, collected until 2026-11). What a template
//! says is public; what fills its gaps is not, so only numbers and times are kept of those, and
//! whatever follows a template is dropped.

use super::MESSAGE_BYTES_MAX;
use crate::verdict::code::provider;

/// `*` stands for a word that is not kept, `#` for a number or a time that is.
const TEMPLATES: [&str; 32] = [
    "The server had an error while processing your request. Sorry about that!",
    "An error occurred while processing your request. You can retry your request, or contact us through our help center at help.openai.com if the error persists. Please include the request ID * in your message.",
    "That model is currently overloaded with other requests. You can retry your request, or contact us through our help center at help.openai.com if the error persists.",
    "The server is currently overloaded. Please try again later.",
    "The engine is currently overloaded, please try again later",
    "Selected model is at capacity. Please try a different model.",
    "The model produced invalid content. Consider modifying your prompt if you are seeing this error persistently.",
    "Failed to generate output due to special tokens in the input.",
    "Rate limit reached for * in organization * on tokens per min (TPM): Limit #, Used #, Requested #. Please try again in #.",
    "Rate limit reached for * in organization * on requests per min (RPM): Limit #, Used #, Requested #. Please try again in #.",
    "Rate limit reached for * in organization * on * per * (*): Limit #, Used #, Requested #. Please try again in #.",
    "Rate limit reached for requests",
    "You exceeded your current quota, please check your plan and billing details.",
    "Incorrect API key provided: *.",
    "Bad gateway",
    "502 Bad Gateway",
    "503 Service Temporarily Unavailable",
    "503 Service Unavailable",
    "504 Gateway Time-out",
    "504 Gateway Timeout",
    "500 Internal Server Error",
    "Gateway timeout",
    "Service unavailable",
    "Internal server error",
    "* | #:",
    "error code: #",
    "upstream connect error or disconnect/reset before headers.",
    "no healthy upstream",
    "Overloaded",
    "The model is overloaded.",
    "Rate limit is exceeded. Try again in # seconds.",
    "Requests to the * Operation under Azure OpenAI API version * have exceeded",
];

/// The longest word that a gap stands for, in bytes.
const WORD_BYTES_MAX: usize = 256;

/// The longest number or time that is kept, in bytes.
const NUMBER_BYTES_MAX: usize = 16;

/// What may be kept of `text`: the template it begins with, or the one known word that it is.
pub(super) fn known(text: &str) -> Option<String> {
    let text = text.trim();
    let is_status = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    if is_status || provider::of_word(text).is_some() {
        return Some(text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)].to_owned());
    }
    TEMPLATES.iter().find_map(|template| filled(template, text))
}

/// The template as far as it goes, its numbers filled in from `text`. `None` if `text` does not
/// begin like it.
fn filled(template: &str, mut text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while !rest.is_empty() {
        let end = rest.find(['*', '#']).unwrap_or(rest.len());
        let (literal, after) = rest.split_at(end);
        let (begin, next) = text.split_at_checked(literal.len())?;
        if !begin.eq_ignore_ascii_case(literal) {
            return None;
        }
        out.push_str(literal);
        text = next;
        rest = after;
        if let Some(after) = rest.strip_prefix('#') {
            let length = number(text);
            if length == 0 {
                return None;
            }
            out.push_str(&text[..length]);
            text = &text[length..];
            rest = after;
        } else if let Some(after) = rest.strip_prefix('*') {
            text = &text[word(text, after)?..];
            out.push('…');
            rest = after;
        }
    }
    Some(out)
}

/// The length of the word at the beginning of `text`: up to a space, less what the template itself
/// says up to its next space.
fn word(text: &str, after: &str) -> Option<usize> {
    let length = text.find(char::is_whitespace).unwrap_or(text.len());
    let tail = after.find([' ', '*', '#']).unwrap_or(after.len());
    let length = length.checked_sub(tail).filter(|length| (1..=WORD_BYTES_MAX).contains(length))?;
    text.is_char_boundary(length).then_some(length)
}

/// The length of a number or a time (`8782`, `41.724s`, `6m0s`, `12ms`) at the beginning of `text`.
fn number(text: &str) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b".,".contains(byte);
    let is_unit = |byte: &u8| b"hms".contains(byte);
    let mut length = 0;
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        length = text.bytes().take_while(|byte| is_part(byte) || is_unit(byte)).count();
    }
    // What ends the sentence does not belong to the number.
    let number = text[..length].trim_end_matches(['.', ',']);
    if number.len() <= NUMBER_BYTES_MAX { number.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_message_is_kept_with_its_numbers_and_without_its_names() {
        for (text, kept) in [
            (
                "Rate limit reached for gpt-4o in organization org-abc on tokens per min (TPM): Limit 10000, Used 8782, Requested 8172. Please try again in 41.724s. Visit https://example.com",
                "Rate limit reached for … in organization … on tokens per min (TPM): Limit 10000, Used 8782, Requested 8172. Please try again in 41.724s.",
            ),
            (
                "Rate limit reached for o3 in organization org-abc on images per hour (IPH): Limit 10, Used 9, Requested 2. Please try again in 6m0s.",
                "Rate limit reached for … in organization … on … per … (…): Limit 10, Used 9, Requested 2. Please try again in 6m0s.",
            ),
            (
                "An error occurred while processing your request. You can retry your request, or contact us through our help center at help.openai.com if the error persists. Please include the request ID 0123 in your message.",
                "An error occurred while processing your request. You can retry your request, or contact us through our help center at help.openai.com if the error persists. Please include the request ID … in your message.",
            ),
            ("Incorrect API key provided: sk-ab***yz. You can find", "Incorrect API key provided: …."),
            ("api.openai.com | 502: Bad gateway", "… | 502:"),
            ("error code: 520", "error code: 520"),
            ("NO healthy UPSTREAM", "no healthy upstream"),
            ("insufficient_quota", "insufficient_quota"),
            ("429", "429"),
        ] {
            assert_eq!(known(text).as_deref(), Some(kept), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_known() {
        for text in [
            "",
            "The server had",
            "my own words",
            "Rate limit reached for a prompt of several words in organization x",
            "error code: the-secret",
            "Rate limit reached for  in organization x",
            "123456789012",
        ] {
            assert_eq!(known(text), None, "{text}");
        }
        let long = "1".repeat(NUMBER_BYTES_MAX + 1);
        assert_eq!(known(&format!("error code: {long}")), None);
        assert!(known(&format!("error code: {}", &long[1..])).is_some());
    }

    #[test]
    fn no_gap_can_hold_a_word_of_the_callers() {
        for template in TEMPLATES {
            let text = template.replace('*', "CANARYCANARYCANARY").replace('#', "7");
            let kept = known(&format!("{text} CANARYCANARYCANARY")).expect("a known message");
            assert!(!kept.contains("CANARY") && kept.len() <= MESSAGE_BYTES_MAX, "{template}: {kept}");
        }
    }
}
