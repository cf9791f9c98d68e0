//! Takes values out of the written configuration one by one, noting every problem and where each
//! value came from.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use seawall_core::plan::policy::Preset;

use super::Profile;
use super::diagnose::{Position, Problem, Wrong};
use super::expand::Expansion;
use super::item::{Item, Kind, Raw};

/// Where an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// The preset of `[retry]`.
    Preset(Preset),
    /// The profile.
    Profile(Profile),
    /// A line of the file, from 1.
    File(usize),
    /// An environment variable.
    Env(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

/// A value and where it is written.
#[derive(Clone)]
pub(super) struct At<V> {
    pub(super) value: V,
    pub(super) span: Range<usize>,
}

/// What a caller of the program said, which outranks the file.
pub(super) struct Said<V> {
    pub(super) value: V,
    pub(super) source: Source,
}

/// A value that is in force, with its place if it was read from the file.
#[derive(Clone)]
pub(super) struct Chosen<V> {
    pub(super) value: V,
    pub(super) span: Option<Range<usize>>,
}

/// Reads values, and remembers.
pub(super) struct Reader<'a> {
    pub(super) expansion: Expansion<'a>,
    pub(super) problems: Vec<Problem>,
    /// By path (`server.listen`, `upstream.0.name`); what is not here is a default.
    pub(super) sources: BTreeMap<String, Source>,
}

impl Reader<'_> {
    /// The value at `path`, if it is written and right.
    pub(super) fn read<K: Kind>(&mut self, path: &str, item: &Item<K>) -> Option<At<K::Value>> {
        let raw = item.raw.as_ref()?;
        let span = raw.span();
        match self.expanded(raw.get_ref(), &span).and_then(|raw| K::read(&raw)) {
            Ok(value) => {
                let line = Position::of(self.expansion.source, span.start).line;
                self.sources.insert(path.to_owned(), Source::File(line));
                Some(At { value, span })
            }
            Err(wrong) => {
                self.problems.push(wrong.of(&without_numbers(path), span));
                None
            }
        }
    }

    /// The value at `path`, or `default`.
    pub(super) fn or<K: Kind>(&mut self, path: &str, item: &Item<K>, default: K::Value) -> K::Value {
        self.read(path, item).map_or(default, |at| at.value)
    }

    /// What was said on the command line, else the value at `path`, else `default`.
    pub(super) fn choose<K: Kind>(
        &mut self,
        path: &str,
        said: Option<Said<K::Value>>,
        item: &Item<K>,
        default: K::Value,
    ) -> Chosen<K::Value> {
        // Read in any case: what is wrong in the file should be known before the flag is gone.
        let written = self.read(path, item);
        if let Some(said) = said {
            self.sources.insert(path.to_owned(), said.source);
            return Chosen { value: said.value, span: None };
        }
        match written {
            Some(At { value, span }) => Chosen { value, span: Some(span) },
            None => Chosen { value: default, span: None },
        }
    }

    fn expanded(&self, raw: &Raw, span: &Range<usize>) -> Result<Raw, Wrong> {
        Ok(match raw {
            Raw::Text(text) => Raw::Text(self.expansion.expand(text, span)?),
            Raw::List(items) => {
                Raw::List(items.iter().map(|item| self.expanded_at(item)).collect::<Result<_, Wrong>>()?)
            }
            Raw::Map(entries) => Raw::Map(
                entries
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.expanded_at(value)?)))
                    .collect::<Result<_, Wrong>>()?,
            ),
            other => other.clone(),
        })
    }

    fn expanded_at(&self, raw: &Spanned<Raw>) -> Result<Spanned<Raw>, Wrong> {
        Ok(Spanned::new(raw.span(), self.expanded(raw.get_ref(), &raw.span())?))
    }
}

/// `upstream.0.name` is called `upstream.name`: the caret says which one.
fn without_numbers(path: &str) -> String {
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    path.split('.').filter(|part| !is_number(part)).collect::<Vec<_>>().join(".")
}
