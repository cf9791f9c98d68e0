//! From `[[route]]` to the core's routes: names become upstreams, and every route can be taken,
//! is served by someone, and falls back to something else.
//!
//! A route that does nothing is worse than none: somebody relies on it, and finds out in the
//! outage that it was written for. So what can be known before the first request is refused here.
//! Names are compared as `plan::route` compares them: the first route that fits is taken, also for
//! a model that is fallen back to.

use std::ops::Range;

use seawall_core::plan::route::{ROUTES_MAX, Route};
use seawall_core::upstream::UpstreamId;
use toml::Spanned;

use super::diagnose::Problem;
use super::read::{At, Reader};
use super::upstreams::{Upstreams, plain};
use super::written;
use super::{UpstreamConfig, pattern, unknown};

/// A route with the places that a complaint about it points at.
struct Placed {
    route: Route,
    models: At<Vec<Spanned<String>>>,
    /// As written; empty if nothing is.
    upstreams: Vec<Spanned<String>>,
    fallbacks: Vec<Spanned<String>>,
    /// Whether each name in `upstreams` is an upstream.
    is_known: bool,
}

/// Reads every `[[route]]`, and finds what does not go together.
pub(super) fn read(reader: &mut Reader<'_>, written: &[Spanned<written::Route>], upstreams: &Upstreams) -> Vec<Route> {
    if let Some(extra) = written.get(ROUTES_MAX) {
        let what = format!("{} routes, the limit is {ROUTES_MAX}", written.len());
        reader.problems.push(Problem::new(what).at(extra.span(), "one too many"));
    }
    let mut placed = Vec::new();
    for (at, table) in written.iter().enumerate() {
        placed.extend(route(reader, at, table.get_ref(), table.span(), upstreams));
    }
    for one in &placed {
        reader.problems.extend(twice(&one.upstreams, "upstreams", "each is asked at its place in the list"));
        reader.problems.extend(twice(&one.fallbacks, "fallback_models", "each is asked for at its place in the list"));
        reader.problems.extend(to_itself(one));
    }
    if upstreams.is_whole {
        for one in &placed {
            reader.problems.extend(nobody_serves(one, upstreams));
            reader.problems.extend(never_asked(one, upstreams));
            reader.problems.extend(nobody_serves_fallback(one, &placed, upstreams));
        }
    }
    reader.problems.extend(never_taken(&placed));
    let source = reader.expansion.source;
    reader.problems.extend(Circles { routes: &placed, source, state: vec![Visit::Not; placed.len()] }.find());
    placed.into_iter().map(|placed| placed.route).collect()
}

fn route(
    reader: &mut Reader<'_>,
    at: usize,
    written: &written::Route,
    table: Range<usize>,
    upstreams: &Upstreams,
) -> Option<Placed> {
    let path = |key: &str| format!("route.{at}.{key}");
    let models = reader.read(&path("models"), &written.models);
    let names = reader.or(&path("upstreams"), &written.upstreams, Vec::new());
    let fallbacks = reader.or(&path("fallback_models"), &written.fallback_models, Vec::new());
    let default = Route::default();
    let repeatable = reader.or(&path("repeatable"), &written.repeatable, default.repeatable);
    let hedge = reader.read(&path("hedge"), &written.hedge).map(|at| at.value);
    let commit = reader.read(&path("commit"), &written.commit).map(|at| at.value);
    let upgrade = reader.read(&path("stream_upgrade"), &written.stream_upgrade).map(|at| at.value);
    if written.models.raw.is_none() {
        let problem = Problem::new("a route has no `models`").at(table, "this one");
        reader.problems.push(problem.hint("say which models it is for; for every model write: models = [\"*\"]"));
    }
    let before = reader.problems.len();
    let ids = names.iter().filter_map(|name| resolve(reader, name, upstreams)).collect();
    let models = models?;
    let route = Route {
        models: plain(models.clone()),
        upstreams: ids,
        fallback_models: fallbacks.iter().map(|name| name.get_ref().clone()).collect(),
        repeatable,
        hedge,
        commit,
        upgrade,
    };
    let is_known = reader.problems.len() == before && upstreams.is_whole;
    Some(Placed { route, models, upstreams: names, fallbacks, is_known })
}

/// The upstream with this name. What is written is pointed at, not repeated: it may come from a variable.
fn resolve(reader: &mut Reader<'_>, name: &Spanned<String>, upstreams: &Upstreams) -> Option<UpstreamId> {
    let names = || upstreams.list.iter().map(|placed| placed.value.name.as_str());
    let found = names().position(|known| known == name.get_ref());
    if found.is_none() && upstreams.is_whole {
        let hint = match (upstreams.replaced_by, unknown::nearest(name.get_ref(), names())) {
            (Some(said_by), _) => format!("{said_by} replaces every upstream of the file: leave one of the two out"),
            (None, Some(near)) => format!("did you mean \"{near}\"?"),
            (None, None) => format!("there is {}", listed(names())),
        };
        let problem = Problem::new("`route.upstreams` names an upstream that does not exist").at(name.span(), "");
        reader.problems.push(problem.hint(hint));
    }
    Some(UpstreamId(u16::try_from(found?).ok()?))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn twice(list: &[Spanned<String>], key: &str, hint: &str) -> Vec<Problem> {
    let again = |(at, second): (usize, &Spanned<String>)| {
        let first = list[..at].iter().find(|first| first.get_ref() == second.get_ref())?;
        let problem =
            Problem::new(format!("`route.{key}` has the same name twice")).at(second.span(), "the same again");
        Some(problem.see(Some(&first.span()), "the first").hint(hint))
    };
    list.iter().enumerate().filter_map(again).collect()
}

/// A fallback to the only model that the route is for.
fn to_itself(placed: &Placed) -> Vec<Problem> {
    let is_all = |fallback: &&Spanned<String>| placed.route.models.iter().all(|model| model == fallback.get_ref());
    placed
        .fallbacks
        .iter()
        .filter(is_all)
        .map(|fallback| {
            Problem::new("a model falls back to itself")
                .at(fallback.span(), "the same model again")
                .see(Some(&placed.models.span), "")
                .hint("a fallback is another model, for when this one has failed everywhere: name that, or leave the key out")
        })
        .collect()
}

/// The upstreams that a route may ask, the listed ones or all.
fn asked<'a>(route: &'a Route, all: &'a Upstreams) -> impl Iterator<Item = &'a UpstreamConfig> {
    let is_asked = |id: usize| route.upstreams.is_empty() || route.upstreams.iter().any(|known| known.index() == id);
    all.list.iter().enumerate().filter(move |(id, _)| is_asked(*id)).map(|(_, placed)| &placed.value)
}

fn can_serve(upstream: &UpstreamConfig, model: &str) -> bool {
    upstream.models.is_empty() || upstream.models.iter().any(|pattern| pattern::overlap(pattern, model))
}

/// Models that none of the route's upstreams serves.
fn nobody_serves(placed: &Placed, all: &Upstreams) -> Vec<Problem> {
    let is_served = |model: &str| asked(&placed.route, all).any(|upstream| can_serve(upstream, model));
    let unserved = placed.models.value.iter().filter(|model| placed.is_known && !is_served(model.get_ref()));
    unserved
        .map(|model| {
            let problem = if placed.upstreams.is_empty() {
                Problem::new("`route.models` has a model that no upstream serves").at(model.span(), "nobody serves it")
            } else {
                Problem::new("`route.models` has a model that none of the route's `upstreams` serves")
                    .at(model.span(), "none of them serves it")
            };
            let others = all.list.iter().map(|placed| &placed.value).filter(|other| can_serve(other, model.get_ref()));
            let others = listed(others.map(|other| other.name.as_str()));
            problem.hint(if others.is_empty() {
                "add it to the `models` of an [[upstream]] that has it, or take it out here".to_owned()
            } else {
                format!("served by {others}: add that to the route's `upstreams`, or take the model out here")
            })
        })
        .collect()
}

/// Upstreams that are listed and serve none of the route's models: a way out that is not there.
fn never_asked(placed: &Placed, all: &Upstreams) -> Vec<Problem> {
    let serves_any =
        |id: &UpstreamId| placed.route.models.iter().any(|model| can_serve(&all.list[id.index()].value, model));
    let listed = placed.route.upstreams.iter().zip(&placed.upstreams).filter(|_| placed.is_known);
    listed
        .filter(|(id, _)| !serves_any(id))
        .map(|(id, name)| {
            let upstream = &all.list[id.index()];
            Problem::new(format!(
                "upstream \"{}\" is never asked by this route: it serves none of the route's models",
                upstream.value.name
            ))
            .at(name.span(), "never asked")
            .see(upstream.table.as_ref(), "its `models` leave them out")
            .hint("`models` are the names that callers ask for; what they are called there goes into `model_map`")
        })
        .collect()
}

/// Fallbacks that no upstream serves, or none of those that their own route leads to.
fn nobody_serves_fallback(placed: &Placed, routes: &[Placed], all: &Upstreams) -> Vec<Problem> {
    let everywhere = Route::default();
    let unserved = |name: &Spanned<String>| {
        let own = taken(routes, name.get_ref()).map(|at| &routes[at]);
        let mut asked = asked(own.map_or(&everywhere, |own| &own.route), all);
        if own.is_some_and(|own| !own.is_known) || asked.any(|one| pattern::serves(&one.models, name.get_ref())) {
            return None;
        }
        let Some(own) = own.filter(|own| !own.upstreams.is_empty()) else {
            let problem = Problem::new("`route.fallback_models` has a model that no upstream serves");
            let hint = "add it to the `models` of an [[upstream]] that has it, or take it out here";
            return Some(problem.at(name.span(), "nobody serves it").hint(hint));
        };
        let what = "`route.fallback_models` has a model whose own route leads to no upstream that serves it";
        let problem = Problem::new(what).at(name.span(), "nobody there serves it");
        let hint =
            "a fallback goes where a request for that model would go: add an upstream that serves it to that route";
        Some(problem.see(Some(&own.models.span), "its own route").hint(hint))
    };
    placed.fallbacks.iter().filter_map(unserved).collect()
}

/// The route of a model: the first that fits.
fn taken(routes: &[Placed], model: &str) -> Option<usize> {
    routes.iter().position(|placed| pattern::serves(&placed.route.models, model))
}

/// Routes of which earlier ones leave nothing.
fn never_taken(routes: &[Placed]) -> Vec<Problem> {
    let earlier = |at: usize, model: &String| {
        routes[..at].iter().find(|route| route.route.models.iter().any(|wide| pattern::covers(wide, model)))
    };
    let covered = |(at, placed): (usize, &Placed)| {
        let first: Option<Vec<&Placed>> = placed.route.models.iter().map(|model| earlier(at, model)).collect();
        let first = first?.first().map(|first| first.models.span.clone());
        let problem = Problem::new("a route is never taken: every model it is for has an earlier route")
            .at(placed.models.span.clone(), "never taken")
            .see(first.as_ref(), "taken instead");
        Some(problem.hint("the first route that fits is taken: put the narrower one first, or take one out"))
    };
    routes.iter().enumerate().filter_map(covered).collect()
}

/// How far the search for circles has come with a route.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    Under,
    Done,
}

/// The search for routes that fall back to each other. A fallback that its own route is for is no
/// circle: several sizes of a model may share a route that ends at the smallest.
struct Circles<'a> {
    routes: &'a [Placed],
    source: &'a str,
    state: Vec<Visit>,
}

impl<'a> Circles<'a> {
    fn find(mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for at in 0..self.routes.len() {
            self.visit(at, &mut Vec::new(), &mut problems);
        }
        problems
    }

    /// Looks behind a route; `way` is how it was reached: routes, each with the fallback that leads on.
    fn visit(&mut self, at: usize, way: &mut Vec<(usize, &'a Spanned<String>)>, problems: &mut Vec<Problem>) {
        if self.state[at] != Visit::Not {
            return;
        }
        self.state[at] = Visit::Under;
        let routes = self.routes;
        for fallback in &routes[at].fallbacks {
            let Some(next) = taken(routes, fallback.get_ref()).filter(|next| *next != at) else { continue };
            way.push((at, fallback));
            if self.state[next] == Visit::Under {
                let start = way.iter().position(|(route, _)| *route == next).unwrap_or(0);
                let round: Vec<_> = way[start..].iter().map(|(_, fallback)| *fallback).collect();
                problems.push(self.circle(&round));
            }
            self.visit(next, way, problems);
            way.pop();
        }
        self.state[at] = Visit::Done;
    }

    /// The complaint about fallbacks that each lead to the next, and the last to the first.
    fn circle(&self, fallbacks: &[&Spanned<String>]) -> Problem {
        let last = fallbacks.last().copied();
        let names = last.into_iter().chain(fallbacks.iter().copied()).map(|name| self.written(&name.span()));
        let shown = names.collect::<Vec<_>>().join(" -> ");
        let problem = Problem::new(format!("fallbacks go in a circle: {shown}"));
        let problem = problem.maybe_at(last.map(Spanned::span).as_ref(), "back to the first");
        let others = fallbacks[..fallbacks.len().saturating_sub(1)].iter();
        let problem = others.fold(problem, |problem, name| problem.see(Some(&name.span()), "leads on"));
        problem.hint("a fallback is for when everything before it has failed: end the list at one model that falls back to nothing")
    }

    /// A name as it stands in the file, so that a variable's value is not repeated.
    fn written(&self, span: &Range<usize>) -> &'a str {
        self.source.get(span.clone()).unwrap_or_default().trim_matches(['"', '\''])
    }
}
