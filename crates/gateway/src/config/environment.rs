//! The environment of the process, read here and nowhere else.
//!
//! A variable is looked up when it is asked for and not before, so that the whole environment
//! (with keys for other programs in it) is never copied. Tests hand in a list instead.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Environment variables, and the folder that relative paths start from.
pub(crate) struct Environment {
    variables: Variables,
    folder: PathBuf,
}

enum Variables {
    Process,
    None,
    #[cfg(test)]
    Given(std::collections::BTreeMap<String, OsString>),
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Environment {
        Environment { variables: Variables::Process, folder: PathBuf::new() }
    }

    /// An environment without variables: what the defaults are shown in.
    pub(crate) fn empty() -> Environment {
        Environment { variables: Variables::None, folder: PathBuf::new() }
    }

    /// Exactly these variables, with relative paths starting from `folder`.
    #[cfg(test)]
    pub(crate) fn given<'a>(folder: &Path, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Environment { variables: Variables::Given(variables), folder: folder.to_owned() }
    }

    /// The value of `name`, even if it is empty or not text.
    pub(crate) fn raw(&self, name: &str) -> Option<OsString> {
        match &self.variables {
            #[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
            Variables::Process => std::env::var_os(name),
            Variables::None => None,
            #[cfg(test)]
            Variables::Given(variables) => variables.get(name).cloned(),
        }
    }

    /// The value of `name`, if it is text and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.raw(name)?.into_string().ok().filter(|value| !value.is_empty())
    }

    /// `path`, seen from the folder that relative paths start from.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The folder that `variable` (one of the XDG base directories) names, else `fallback` in the
    /// home folder; `None` without a home. A relative XDG folder does not count, as its standard says.
    pub(crate) fn base_folder(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        let named = self.raw(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
        let home = || self.raw("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        named.or_else(|| home().map(|home| home.join(fallback)))
    }

    /// Whether output may be coloured as far as the user is concerned: `NO_COLOR` is unset or empty, and
    /// `CLICOLOR` is not 0.
    pub(crate) fn wants_colour(&self) -> bool {
        self.raw("NO_COLOR").is_none_or(|value| value.is_empty())
            && self.raw("CLICOLOR").is_none_or(|value| value != "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_folder_is_the_named_one_or_below_home() {
        let here = Path::new("/");
        let folder = |variables: &[(&'static str, &'static str)]| {
            Environment::given(here, variables.iter().copied()).base_folder("XDG_STATE_HOME", ".local/state")
        };
        assert_eq!(folder(&[("XDG_STATE_HOME", "/state"), ("HOME", "/home/a")]), Some("/state".into()));
        assert_eq!(folder(&[("XDG_STATE_HOME", "state"), ("HOME", "/home/a")]), Some("/home/a/.local/state".into()));
        assert_eq!(folder(&[("HOME", "/home/a")]), Some("/home/a/.local/state".into()));
        assert_eq!(folder(&[]), None);
    }

    #[test]
    fn an_empty_no_color_says_nothing() {
        let wants = |value| Environment::given(Path::new(""), [("NO_COLOR", value)]).wants_colour();
        assert!(wants(""));
        assert!(!wants("1"));
    }

    #[test]
    fn clicolor_says_no_with_a_nought() {
        let wants = |value| Environment::given(Path::new(""), [("CLICOLOR", value)]).wants_colour();
        assert!(wants("1") && wants(""));
        assert!(!wants("0"));
    }
}
