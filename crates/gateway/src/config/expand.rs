//! References in string values: `${NAME}`, `${NAME:-otherwise}`, `${file:/run/secrets/key}`, `${credential:openai}`.
//!
//! A credential is a file in the folder that `$CREDENTIALS_DIRECTORY` names: systemd makes one for a unit with
//! `LoadCredential`, and containers have theirs. A file of a folder that is loaded whole has the folder's id in front of its name;
//! ours is `seawall`.
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
/// Names the folder with credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// What stands before the names of credentials that were loaded as a folder.
const LOADED_WITH: &str = "seawall_";
/// The longest name of a credential, in bytes: that of a file.
const CREDENTIAL_NAME_MAX: usize = 255;

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
        if let Some(name) = inner.strip_prefix("credential:") {
            return Ok((self.credential(name)?, format!("credential {name}")));
        }
        let (name, otherwise) = match inner.split_once(":-") {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inner, None),
        };
        if !is_name(name) {
            return Err(Wrong::new("has a reference without a valid name").label("not the name of a variable").hint(
                "references are ${NAME}, ${NAME:-otherwise}, ${file:/path} and ${credential:name}; write `$${` for the two characters themselves",
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

    fn credential(&self, name: &str) -> Result<Zeroizing<String>, Wrong> {
        if !is_credential(name) {
            return Err(Wrong::new("has a reference without a valid name of a credential")
                .label("not the name of a file")
                .hint(
                    "write ${credential:name}, where `name` is a file in the folder that CREDENTIALS_DIRECTORY names",
                ));
        }
        let Some(folder) = self.env.raw(CREDENTIALS).filter(|folder| !folder.is_empty()) else {
            let wrong = Wrong::new(format!("needs the credential {name}, but {CREDENTIALS} is not set"));
            return Err(wrong.label("no credentials here").hint(format!(
                "a unit with LoadCredential and the container have it; elsewhere set it to the folder that holds the file {name}"
            )));
        };
        let folder = self.folder.join(folder);
        let loaded = folder.join(format!("{LOADED_WITH}{name}"));
        let path = Some(folder.join(name)).filter(|own| own.exists() || !loaded.exists()).unwrap_or(loaded);
        self.contents(&path).map_err(|why| {
            let wrong = Wrong::new(format!("needs the credential {name}, which cannot be read: {why}"));
            wrong.hint(format!("it is the file {name} in {}", folder.display()))
        })
    }

    fn read(&self, path: &str) -> Result<Zeroizing<String>, Wrong> {
        if path.is_empty() {
            return Err(Wrong::new("has a reference to a file without a path").hint("write ${file:/path}"));
        }
        let unreadable = |why: String| Wrong::new(format!("needs the file {path}, which cannot be read: {why}"));
        self.contents(Path::new(path)).map_err(unreadable)
    }

    /// What is in a file, without the line end after it; or why it cannot be had.
    fn contents(&self, path: &Path) -> Result<Zeroizing<String>, String> {
        let file = File::open(self.folder.join(path)).map_err(|error| reason(&error))?;
        let mut text = Zeroizing::new(String::new());
        let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| reason(&error))?;
        if read as u64 > FILE_BYTES_MAX {
            return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
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

/// Whether it is the name of a file, and of no other folder's: what systemd takes for a credential.
fn is_credential(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':');
    (1..=CREDENTIAL_NAME_MAX).contains(&name.len()) && is_plain && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(name: &str, folder: Option<&Path>) -> Result<(String, String), String> {
        let text = format!("${{credential:{name}}}");
        let variable = folder.map(|folder| (CREDENTIALS, folder.to_str().unwrap()));
        let env = Environment::given(Path::new("/"), variable);
        let expansion = Expansion { env: &env, folder: Path::new("/nowhere"), source: &text };
        let expanded = expansion.expand(&Text::literal(&text), &(0..text.len())).map_err(|wrong| wrong.what)?;
        Ok((expanded.value.to_string(), expanded.origins.join(" and ")))
    }

    #[test]
    fn a_credential_is_a_file_of_the_folder_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("openai"), "sk-own\n").unwrap();
        std::fs::write(path.join("seawall_openai"), "sk-loaded\n").unwrap();
        std::fs::write(path.join("seawall_azure"), "sk-azure").unwrap();
        let found = |name| credential(name, Some(path));
        assert_eq!(found("openai"), Ok(("sk-own".into(), "credential openai".into())));
        assert_eq!(found("azure"), Ok(("sk-azure".into(), "credential azure".into())), "loaded with its folder");
        let none = "needs the credential other, which cannot be read: no such file or directory";
        assert_eq!(found("other"), Err(none.into()));
        let none = "needs the credential openai, but CREDENTIALS_DIRECTORY is not set";
        assert_eq!(credential("openai", None), Err(none.into()));
        assert_eq!(credential("openai", Some(Path::new(""))), Err(none.into()));
        let limit = usize::try_from(FILE_BYTES_MAX).expect("small");
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            std::fs::write(path.join("long"), "a".repeat(length)).unwrap();
            assert_eq!(found("long").is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn a_credential_is_in_no_other_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(folder.path().join("outside"), "secret").unwrap();
        let (longest, longer) = ("a".repeat(CREDENTIAL_NAME_MAX), "a".repeat(CREDENTIAL_NAME_MAX + 1));
        std::fs::write(path.join(&longest), "long").unwrap();
        assert_eq!(credential(&longest, Some(&path)).map(|(value, _)| value), Ok("long".into()));
        for name in ["", ".", "..", "../outside", "a/b", "a b", "a:b", "\n", "ü", longer.as_str()] {
            let said = credential(name, Some(&path));
            assert_eq!(said, Err("has a reference without a valid name of a credential".into()), "{name}");
        }
    }

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
