//! What each key does.

use super::super::detail::{Detail, Wanted};
use super::super::filter::Filter;
use super::{Ask, Failure, Key, Pane, SEARCH_CHARS_MAX, State};
use crate::observe::journal::plain::is_active;

/// Rows that a page up or down moves.
const PAGE_ROWS: usize = 10;

impl State {
    /// A key was pressed.
    pub(super) fn press(&mut self, key: Key) -> Option<Ask> {
        self.note = None;
        match key {
            Key::Break => Some(Ask::Quit),
            _ if self.is_typing => self.type_in(key),
            Key::Char('q') => Some(Ask::Quit),
            Key::Char('?') => {
                self.has_help = !self.has_help;
                None
            }
            _ if self.has_help => {
                self.has_help = !matches!(key, Key::Esc | Key::Enter);
                None
            }
            _ if self.detail.is_some() => {
                self.read(key);
                None
            }
            _ => self.choose(key),
        }
    }

    /// In a pane.
    fn choose(&mut self, key: Key) -> Option<Ask> {
        match key {
            Key::Char(digit @ '1'..='5') => {
                let at = digit.to_digit(10).map_or(0, |digit| digit as usize - 1);
                self.open(Pane::ALL[at]);
            }
            Key::Tab => self.open(Pane::ALL[(self.pane.at() + 1) % Pane::ALL.len()]),
            Key::BackTab => self.open(Pane::ALL[(self.pane.at() + Pane::ALL.len() - 1) % Pane::ALL.len()]),
            Key::Up | Key::Char('k') => self.step(|at, _| at.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.step(|at, _| at + 1),
            Key::PageUp => self.step(|at, _| at.saturating_sub(PAGE_ROWS)),
            Key::PageDown => self.step(|at, _| at + PAGE_ROWS),
            Key::Home | Key::Char('g') => self.step(|_, _| 0),
            Key::End | Key::Char('G') => self.step(|_, last| last),
            Key::Char(letter @ ('u' | 'm' | 'c' | 's')) => return self.narrow(letter),
            Key::Char('x') => {
                self.search.clear();
                return self.refilter(Filter::default());
            }
            Key::Char('/') => self.is_typing = true,
            Key::Char('p') => {
                self.frozen = match self.frozen {
                    Some(_) => None,
                    None => Some((Box::new(self.data.clone()), self.moment())),
                };
            }
            Key::Enter => return self.drill(),
            Key::Esc if !self.search.is_empty() => self.search.clear(),
            Key::Esc => return self.refilter(Filter::default()),
            Key::Char(_) | Key::Backspace | Key::Break => {}
        }
        None
    }

    fn open(&mut self, pane: Pane) {
        // What was searched for in one list is not what is looked for in another.
        if pane != self.pane {
            self.search.clear();
        }
        self.pane = pane;
    }

    fn step(&mut self, to: impl Fn(usize, usize) -> usize) {
        if let Some(at) = self.cursor() {
            let last = self.rows().saturating_sub(1);
            self.cursors[self.pane.at()] = to(at, last).min(last);
        }
    }

    /// While a search is typed.
    fn type_in(&mut self, key: Key) -> Option<Ask> {
        match key {
            Key::Char(c) if !is_active(c) && self.search.chars().count() < SEARCH_CHARS_MAX => {
                self.search.push(c);
                self.cursors[self.pane.at()] = 0;
            }
            Key::Backspace => self.is_typing = self.search.pop().is_some(),
            Key::Esc => {
                self.search.clear();
                self.is_typing = false;
            }
            Key::Enter => {
                self.is_typing = false;
                let is_id = matches!(self.pane, Pane::Failures | Pane::Overview) && !self.search.trim().is_empty();
                if is_id && self.rows() == 0 {
                    // It may be the id of a request that is not in the list.
                    return Some(self.look_up(Wanted::Request(self.search.trim().to_owned())));
                }
            }
            _ => {}
        }
        None
    }

    /// In a detail.
    fn read(&mut self, key: Key) {
        let Some(detail) = &mut self.detail else { return };
        match key {
            Key::Esc | Key::Backspace => self.detail = None,
            Key::Up | Key::Char('k') => detail.scroll(|at, _| at.saturating_sub(1)),
            Key::Down | Key::Char('j') => detail.scroll(|at, _| at + 1),
            Key::PageUp => detail.scroll(|at, _| at.saturating_sub(PAGE_ROWS)),
            Key::PageDown => detail.scroll(|at, _| at + PAGE_ROWS),
            Key::Home | Key::Char('g') => detail.scroll(|_, _| 0),
            Key::End | Key::Char('G') => detail.scroll(|_, last| last),
            _ => {}
        }
    }

    /// Only the upstream, model, class or status of the chosen row; all again, if it was only that.
    fn narrow(&mut self, letter: char) -> Option<Ask> {
        let mut filter = self.filter.clone();
        let was_set = match letter {
            'u' => filter.upstream.take().is_some(),
            'm' => filter.model.take().is_some(),
            'c' => filter.class.take().is_some(),
            _ => filter.status.take().is_some(),
        };
        if was_set {
            return self.refilter(filter);
        }
        if self.pane == Pane::Upstreams && letter == 'u' {
            filter.upstream = self.cursor().and_then(|at| Some(self.upstreams().get(at)?.name.clone()));
        } else if let Some(row) = self.chosen_failure() {
            match letter {
                'u' => filter.upstream = Some(row.upstream.clone()),
                'm' => filter.model.clone_from(&row.model),
                'c' => filter.class = Some(row.class.clone()),
                _ => filter.status = row.status,
            }
        }
        if filter == self.filter {
            self.note = Some("choose a failure that has one, with the arrows".to_owned());
            return None;
        }
        self.refilter(filter)
    }

    fn refilter(&mut self, filter: Filter) -> Option<Ask> {
        for pane in [Pane::Overview, Pane::Failures] {
            self.cursors[pane.at()] = 0;
        }
        if filter == self.filter {
            return None;
        }
        self.filter = filter.clone();
        Some(Ask::Failures(filter))
    }

    fn chosen_failure(&self) -> Option<&Failure> {
        matches!(self.pane, Pane::Failures | Pane::Overview).then(|| self.failures().get(self.cursor()?).copied())?
    }

    /// Into the chosen row.
    fn drill(&mut self) -> Option<Ask> {
        match self.pane {
            Pane::Failures | Pane::Overview => {
                let id = self.chosen_failure()?.request_id.raw().to_owned();
                Some(self.look_up(Wanted::Request(id)))
            }
            Pane::Incidents => {
                let id = self.incidents().get(self.cursor()?)?.id.raw().to_owned();
                Some(self.look_up(Wanted::Incident(id)))
            }
            Pane::Upstreams => {
                let upstream = Some(self.upstreams().get(self.cursor()?)?.name.clone());
                self.open(Pane::Failures);
                self.refilter(Filter { upstream, ..Filter::default() })
            }
            Pane::Numbers => None,
        }
    }

    fn look_up(&mut self, wanted: Wanted) -> Ask {
        self.detail = Some(Detail::new(wanted.clone()));
        Ask::Detail(wanted)
    }
}
