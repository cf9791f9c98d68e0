//! References in string values: `${NAME}`, `${NAME:-otherwise}`, `${file:/run/secrets/key}`.
//!
//! They are replaced after the file has been parsed, so that no variable can add a key or close a
//! quote. What was inserted is not looked at again, and `$${` stands for `${` itself. A reference
//! to nothing is an error: an empty key would only fail later, at the provider.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use zeroize::Zeroizing;

use super::diagnose::Wrong;
use super::environment::Environment;
use super::item::Text;

/// The largest file that a reference inserts, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where references lead.
pub(super) struct Expansion<'a> {
    pub(super) env: &'a Environment,
    /// Where relative paths in `${file:…}` start.
    pub(super) folder: &'a Path,
    /// The text of the configuration, to point at a reference.
    pub(super) source: &'a str,
}

impl Expansion<'_> {
    /// `text`, which is written at `span`, with its references replaced.
    pub(super) fn expand(&self, text: &Text, span: &Range<usize>) -> Result<Text, Wrong> {
        let mut rest = text.value.as_str();
        let mut expanded = Text::literal("");
        while let Some(at) = rest.find("${") {
            if let Some(before) = rest[..at].strip_suffix('$') {
                expanded.value.push_str(before);
                expanded.value.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            expanded.value.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                let wrong = Wrong::new("has a reference without an end").label("this ${ is not closed");
                return Err(self.place(wrong, &rest[at..], span).hint("write `$${` for the two characters themselves"));
            };
            let reference = &rest[at..=at + end];
            let (value, origin) = self.resolve(reference).map_err(|wrong| self.place(wrong, reference, span))?;
            expanded.value.push_str(&value);
            expanded.origins.push(origin);
            rest = &rest[at + end + 1..];
        }
        expanded.value.push_str(rest);
        Ok(expanded)
    }

    /// What a reference with its braces stands for, and where that came from.
    fn resolve(&self, reference: &str) -> Result<(Zeroizing<String>, String), Wrong> {
        let inner = reference.trim_start_matches("${").trim_end_matches('}');
        if let Some(path) = inner.strip_prefix("file:") {
            return Ok((self.read(path)?, format!("file {path}")));
        }
        let (name, otherwise) = match inner.split_once(":-") {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inner, None),
        };
        if !is_name(name) {
            return Err(Wrong::new("has a reference without a valid name").label("not the name of a variable").hint(
                "references are ${NAME}, ${NAME:-otherwise} and ${file:/path}; write `$${` for the two characters themselves",
            ));
        }
        let value = self.env.raw(name).map(std::ffi::OsString::into_string);
        match (value, otherwise) {
            // As in a shell, `:-` takes an empty variable for an unset one.
            (Some(Ok(value)), otherwise) if !value.is_empty() || otherwise.is_none() => {
                Ok((Zeroizing::new(value), format!("env {name}")))
            }
            (Some(Err(_)), _) => Err(Wrong::new(format!("needs the variable {name}, which is not valid UTF-8"))),
            (_, Some(otherwise)) => {
                Ok((Zeroizing::new(otherwise.to_owned()), format!("config file, as {name} is not set")))
            }
            (_, None) => Err(Wrong::new(format!("needs the environment variable {name}, which is not set"))
                .label("not set")
                .hint(format!("set {name}, or give a value for when it is not: ${{{name}:-otherwise}}"))),
        }
    }

    fn read(&self, path: &str) -> Result<Zeroizing<String>, Wrong> {
        let unreadable = |why: String| Wrong::new(format!("needs the file {path}, which cannot be read: {why}"));
        if path.is_empty() {
            return Err(Wrong::new("has a reference to a file without a path").hint("write ${file:/path}"));
        }
        let file = File::open(self.folder.join(path)).map_err(|error| unreadable(reason(&error)))?;
        let mut text = Zeroizing::new(String::new());
        let read =
            file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(reason(&error)))?;
        if read as u64 > FILE_BYTES_MAX {
            return Err(unreadable(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        // An editor ends a file with a line end; no credential does.
        let length = text.trim_end_matches(['\n', '\r']).len();
        text.truncate(length);
        Ok(text)
    }

    /// Points at `reference` where it can be found as it is; escapes in the string may hide it.
    fn place(&self, wrong: Wrong, reference: &str, span: &Range<usize>) -> Wrong {
        let found = self.source.get(span.clone()).and_then(|written| written.find(reference));
        match found {
            Some(at) => wrong.at(span.start + at..span.start + at + reference.len()),
            None => wrong,
        }
    }
}

/// An error of the system without its number.
pub(super) fn reason(error: &std::io::Error) -> String {
    let shown = error.to_string();
    let plain = shown.split(" (os error").next().unwrap_or(&shown);
    let mut letters = plain.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, folder: &Path) -> Result<(String, String), String> {
        let env = Environment::given(folder, [("A", "one"), ("EMPTY", ""), ("TRICKY", "${A}\"\n[server]")]);
        let expansion = Expansion { env: &env, folder, source: text };
        let expanded = expansion.expand(&Text::literal(text), &(0..text.len())).map_err(|wrong| wrong.what)?;
        Ok((expanded.value.to_string(), expanded.origins.join(" and ")))
    }

    #[test]
    fn references_are_replaced_once() {
        for (text, value, origins) in [
            ("plain $5 {a}", "plain $5 {a}", ""),
            ("${A}", "one", "env A"),
            ("a${A}b${A}c", "aonebonec", "env A and env A"),
            ("${A:-two}", "one", "env A"),
            ("${B:-two}", "two", "config file, as B is not set"),
            ("${B:-}", "", "config file, as B is not set"),
            ("${EMPTY:-two}", "two", "config file, as EMPTY is not set"),
            ("${EMPTY}", "", "env EMPTY"),
            ("$${A}", "${A}", ""),
            ("$$${A}", "$${A}", ""),
            ("${TRICKY}", "${A}\"\n[server]", "env TRICKY"),
        ] {
            assert_eq!(expand(text, Path::new("")), Ok((value.into(), origins.into())), "{text}");
        }
    }

    #[test]
    fn a_reference_to_nothing_is_an_error() {
        for text in ["${B}", "${", "${A", "${}", "${1A}", "${A B}", "${A:otherwise}", "${file:}", "${file:nowhere}"] {
            assert!(expand(text, Path::new("/nonexistent")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_is_read_without_its_last_line_end_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("key"), "secret\r\n").expect("written");
        let (value, origin) = expand("${file:key}", folder.path()).expect("expanded");
        assert_eq!((value.as_str(), origin.as_str()), ("secret", "file key"));
        let limit = usize::try_from(FILE_BYTES_MAX).expect("small");
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            std::fs::write(folder.path().join("key"), "a".repeat(length)).expect("written");
            assert_eq!(expand("${file:key}", folder.path()).is_ok(), fits, "{length}");
        }
    }
}
