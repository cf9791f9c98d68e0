//! Regular expressions that OpenAI does not compile.
//!
//! Schemas come from zod and pydantic, whose patterns are written for JavaScript and Python; OpenAI
//! compiles them with an engine that, like RE2, neither looks around nor back. This reads an expression
//! as all of them do and stops at the first thing that one of them cannot. It compiles nothing: where
//! engines differ on what is rare (named groups, `\u{…}`), it is silent.

use std::iter::Peekable;
use std::str::Chars;

/// What is wrong with an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// `(?=`, `(?!`, `(?<=` or `(?<!`.
    Lookaround,
    /// `\1` or `\k<name>`.
    Backreference,
    /// `\p{…}`, `\P{…}` or `\0`.
    Escape,
    /// It is no regular expression, for this reason.
    Broken(&'static str),
}

/// The worst that is wrong with `pattern`: what breaks it goes first.
pub(super) fn problem(pattern: &str) -> Option<Problem> {
    // Most have nothing of what is looked for.
    let mut scan = Scan { rest: pattern.chars().peekable(), depth: 0, first: None, can_repeat: false };
    match scan.whole() {
        Ok(()) => scan.first,
        Err(why) => Some(Problem::Broken(why)),
    }
}

struct Scan<'a> {
    rest: Peekable<Chars<'a>>,
    /// Groups that are open.
    depth: usize,
    first: Option<Problem>,
    /// Whether a quantifier may stand here.
    can_repeat: bool,
}

impl Scan<'_> {
    fn whole(&mut self) -> Result<(), &'static str> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                ')' if self.depth == 0 => return Err("a group is closed that was not opened"),
                ')' => {
                    self.depth -= 1;
                    self.can_repeat = true;
                }
                '*' | '+' | '?' if !self.can_repeat => return Err("there is nothing to repeat"),
                '*' | '+' | '?' => self.quantified(),
                '{' => self.bounds()?,
                '|' | '^' => self.can_repeat = false,
                _ => self.can_repeat = true,
            }
        }
        if self.depth > 0 { Err("a group is not closed") } else { Ok(()) }
    }

    /// After a quantifier: a `?` makes it lazy, a `+` possessive, another one is an error.
    fn quantified(&mut self) {
        if matches!(self.rest.peek(), Some('?' | '+')) {
            self.rest.next();
        }
        self.can_repeat = false;
    }

    fn note(&mut self, problem: Problem) {
        self.first.get_or_insert(problem);
    }

    /// After a backslash.
    fn escape(&mut self, is_in_class: bool) -> Result<(), &'static str> {
        self.can_repeat = true;
        match self.rest.next() {
            None => return Err("it ends in a backslash"),
            Some('1'..='9') if !is_in_class => self.note(Problem::Backreference),
            Some('k') if !is_in_class && self.rest.peek() == Some(&'<') => self.note(Problem::Backreference),
            Some('0') => self.note(Problem::Escape),
            Some('p' | 'P') if self.rest.peek() == Some(&'{') => self.note(Problem::Escape),
            Some(_) => {}
        }
        Ok(())
    }

    /// After an opening parenthesis.
    fn group(&mut self) -> Result<(), &'static str> {
        self.depth += 1;
        self.can_repeat = false;
        if self.rest.peek() != Some(&'?') {
            return Ok(());
        }
        self.rest.next();
        match self.rest.next() {
            Some('=' | '!') => self.note(Problem::Lookaround),
            Some('<') if matches!(self.rest.peek(), Some('=' | '!')) => {
                self.rest.next();
                self.note(Problem::Lookaround);
            }
            Some('P') if self.rest.peek() == Some(&'=') => self.note(Problem::Backreference),
            None => return Err("a group is not closed"),
            // What follows is the expression itself.
            Some(':' | '>' | '|') => {}
            Some(_) => {
                // A name or flags: up to what ends them, so that they are not read as expressions.
                while let Some(next) = self.rest.peek() {
                    match next {
                        ')' => break,
                        ':' | '>' | '\'' => {
                            self.rest.next();
                            break;
                        }
                        _ if !(next.is_alphanumeric() || matches!(next, '_' | '-' | '<')) => break,
                        _ => self.rest.next(),
                    };
                }
            }
        }
        Ok(())
    }

    /// After an opening bracket.
    fn class(&mut self) -> Result<(), &'static str> {
        if self.rest.peek() == Some(&'^') {
            self.rest.next();
        }
        self.can_repeat = true;
        let mut low: Option<char> = None;
        let mut is_first = true;
        loop {
            let Some(character) = self.rest.next() else { return Err("a class is not closed") };
            match character {
                // JavaScript has an empty class; others take the bracket as a character of it.
                ']' if is_first && !self.rest.clone().any(|next| next == ']') => return Ok(()),
                ']' if !is_first => return Ok(()),
                '\\' => {
                    self.escape(true)?;
                    low = None;
                }
                '-' => {
                    if let (Some(from), Some(to)) = (low, self.rest.peek().copied())
                        && !matches!(to, ']' | '\\' | '[')
                    {
                        self.rest.next();
                        if to < from {
                            return Err("a range of a class runs backwards");
                        }
                        low = None;
                    } else {
                        low = Some('-');
                    }
                }
                other => low = Some(other),
            }
            is_first = false;
        }
    }

    /// After an opening brace: bounds, or a brace as it is.
    fn bounds(&mut self) -> Result<(), &'static str> {
        let mut ahead = self.rest.clone();
        let mut text = String::new();
        while let Some(next) = ahead.next_if(|next| next.is_ascii_digit() || *next == ',') {
            text.push(next);
        }
        let mut parts = text.split(',');
        let low = parts.next().unwrap_or_default();
        let high = parts.next();
        if ahead.next() != Some('}') || low.is_empty() || parts.next().is_some() {
            self.can_repeat = true;
            return Ok(());
        }
        if !self.can_repeat {
            return Err("there is nothing to repeat");
        }
        if let (Ok(low), Some(Ok(high))) = (low.parse::<u64>(), high.map(str::parse::<u64>))
            && high < low
        {
            return Err("the bounds of a repetition run backwards");
        }
        self.rest = ahead;
        self.quantified();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_takes_has_no_problem() {
        for pattern in [
            "",
            "^[a-z0-9_-]+$",
            r"^\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})$",
            r"^(?:[a-z]+|\w{1,})?$",
            "(?:a*)|(?:b{2})|(?:c+?d)",
            r"(?i)^x$",
            r"(?P<year>\d+)(?<month>\d+)",
            r"[\w.%+-]+@[a-z-]+\.[a-z]{2,}",
            r"[]a]",
            r"[^]]",
            r"a{,3}b{x}",
            r"\\1 \\p",
            r"[\1\-]",
            r"x*?y+?z??",
            r"^$|^a$",
            r"\u0041\x41\/\-",
            r"^(\([0-9]{3}\))?[0-9]{3}-[0-9]{4}$",
            "^[\u{4e00}-\u{9fff}]+$",
        ] {
            assert_eq!(problem(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_named() {
        for (pattern, expected) in [
            (r"^(?!-)x", Problem::Lookaround),
            (r"(?=x)", Problem::Lookaround),
            (r"(?<=x)y", Problem::Lookaround),
            (r"(?<!x)y", Problem::Lookaround),
            (r"(a)\1", Problem::Backreference),
            (r"(?<q>a)\k<q>", Problem::Backreference),
            (r"(?P<q>a)(?P=q)", Problem::Backreference),
            (r"\p{L}", Problem::Escape),
            (r"[^\P{Cc}]", Problem::Escape),
            (r"a\0", Problem::Escape),
            (r"[\0-x]", Problem::Escape),
        ] {
            assert_eq!(problem(pattern), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn what_no_engine_compiles_is_broken() {
        for pattern in ["(", "a)", "(?", "[a", "[", "*a", "a|*", "(+)", "a\\", "[z-a]", "a{3,1}", "^{2}", "x((y)"] {
            assert!(matches!(problem(pattern), Some(Problem::Broken(_))), "{pattern}");
        }
    }

    #[test]
    fn a_look_around_in_a_class_or_escaped_is_none() {
        assert_eq!(problem(r"[(?=]"), None);
        assert_eq!(problem(r"\(?=x"), None);
    }
}
