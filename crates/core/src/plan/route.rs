//! Which upstreams may serve a request, in what order.

use super::policy::{Commit, Policy};
use super::upgrade::Upgrade;
use crate::upstream::{Upstream, UpstreamId, matches};

/// The most upstreams that a configuration may name.
pub const UPSTREAMS_MAX: usize = 32;
/// The most routes that a configuration may name.
pub const ROUTES_MAX: usize = 64;
/// The most places that one request may be sent to: an upstream counts once for each model name.
pub const CANDIDATES_MAX: usize = 32;

/// What the operator decided for some models: where their requests go, and what holds for them alone.
///
/// ```
/// use seawall_core::plan::route::Route;
/// use seawall_core::upstream::UpstreamId;
///
/// // Reasoning models go to the second upstream alone; when that fails, another model is asked for.
/// let route = Route {
///     models: vec!["o3*".to_owned()],
///     upstreams: vec![UpstreamId(1)],
///     fallback_models: vec!["gpt-4o".to_owned()],
///     ..Route::default()
/// };
/// assert!(!route.repeatable);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// Model patterns it is for (`*` matches any run of characters); the first route that fits is taken.
    pub models: Vec<String>,
    /// The upstreams to ask, the preferred first; empty for all that serve the model, by priority.
    pub upstreams: Vec<UpstreamId>,
    /// Models to ask for after these have failed, in order: another name for the same request.
    pub fallback_models: Vec<String>,
    /// Whether its requests may be repeated, whatever they are.
    pub repeatable: bool,
    /// Whether its streams are hedged; `None`: as the policy says.
    pub hedge: Option<bool>,
    /// When the first byte of its streams goes to the caller; `None`: as the policy says.
    pub commit: Option<Commit>,
    /// Which of its whole answers are asked for as streams; `None`: as the policy says.
    pub upgrade: Option<Upgrade>,
}

/// A model's name that the configuration knows: what a request asks for is sent under this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias(u16);

/// One place that a request may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Where.
    pub upstream: UpstreamId,
    /// Under which name of the model; `None` for the name that was asked for.
    pub model: Option<Alias>,
    /// Lower is asked first; equals share.
    pub rank: u16,
    /// Whether another model answers here than the one asked for.
    pub is_fallback: bool,
}

/// The places that may serve one request, the preferred first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates {
    list: [Candidate; CANDIDATES_MAX],
    len: usize,
    /// The index of the route, or [`Candidates::NO_ROUTE`].
    route: u16,
    /// Whether the route allows any request to be repeated.
    pub repeatable: bool,
    /// Whether the route wants its streams hedged; `None`: as the policy says.
    pub hedge: Option<bool>,
    /// When the route wants the first byte of its streams passed on; `None`: as the policy says.
    pub commit: Option<Commit>,
    /// Which whole answers the route wants asked for as streams; `None`: as the policy says.
    pub upgrade: Option<Upgrade>,
}

/// Requests that share a budget: those of one route, or those that
/// may be sent to the same upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupKey {
    route: u16,
    upstreams: u32,
}

impl Candidates {
    const NO_ROUTE: u16 = u16::MAX;

    /// None at all.
    #[must_use]
    pub const fn none() -> Candidates {
        let nowhere = Candidate { upstream: UpstreamId(0), model: None, rank: 0, is_fallback: false };
        Candidates {
            list: [nowhere; CANDIDATES_MAX],
            len: 0,
            route: Candidates::NO_ROUTE,
            repeatable: false,
            hedge: None,
            commit: None,
            upgrade: None,
        }
    }

    /// Which whole answers are asked for as streams: as the route says, else as the policy does.
    #[must_use]
    pub fn upgrade(&self, policy: &Policy) -> Upgrade {
        self.upgrade.unwrap_or(policy.upgrade)
    }

    /// The places, the preferred first.
    #[must_use]
    pub fn as_slice(&self) -> &[Candidate] {
        &self.list[..self.len]
    }

    /// The place of the route in the configuration; `None` where no route is for the model.
    #[must_use]
    pub fn route(&self) -> Option<u16> {
        (self.route != Candidates::NO_ROUTE).then_some(self.route)
    }

    /// What they have in common with other requests.
    #[must_use]
    pub fn group(&self) -> GroupKey {
        let upstreams = self.as_slice().iter().fold(0, |bits, candidate| bits | 1 << candidate.upstream.0);
        GroupKey { route: self.route, upstreams }
    }

    /// Adds a place; beyond [`CANDIDATES_MAX`], and a second time, it is left out.
    fn add(&mut self, candidate: Candidate) {
        let is_known = self.as_slice().iter().any(|c| (c.upstream, c.model) == (candidate.upstream, candidate.model));
        if self.len < CANDIDATES_MAX && !is_known {
            self.list[self.len] = candidate;
            self.len += 1;
        }
    }
}

/// All upstreams and routes, as the operator named them: which request may go where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    upstreams: Vec<Upstream>,
    routes: Vec<Route>,
    /// Every name that a request may be sent under, but for its own.
    aliases: Vec<Box<str>>,
}

impl Routes {
    /// Upstreams beyond [`UPSTREAMS_MAX`] and routes beyond [`ROUTES_MAX`] are not considered: the
    /// configuration refuses them.
    #[must_use]
    pub fn new(mut upstreams: Vec<Upstream>, mut routes: Vec<Route>) -> Routes {
        upstreams.truncate(UPSTREAMS_MAX);
        routes.truncate(ROUTES_MAX);
        let mapped = upstreams.iter().flat_map(|u| u.model_map.iter().map(|(_, sent)| sent.as_str()));
        let fallbacks = routes.iter().flat_map(|r| r.fallback_models.iter().map(String::as_str));
        let mut aliases: Vec<Box<str>> = mapped.chain(fallbacks).map(Box::from).collect();
        aliases.sort();
        aliases.dedup();
        aliases.truncate(usize::from(u16::MAX));
        Routes { upstreams, routes, aliases }
    }

    /// The upstreams, in the order of the configuration.
    #[must_use]
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Whether a request may be sent under another name of its model at all.
    #[must_use]
    pub fn renames(&self) -> bool {
        !self.aliases.is_empty()
    }

    /// The name that `alias` stands for.
    #[must_use]
    pub fn name(&self, alias: Alias) -> &str {
        &self.aliases[usize::from(alias.0)]
    }

    /// Where a request for `model` may be sent. `can_rename` says whether another model's name can
    /// be put into its body; if not, places that need it are left out.
    #[must_use]
    pub fn candidates(&self, model: Option<&str>, can_rename: bool) -> Candidates {
        let mut found = Candidates::none();
        let Some(model) = model else {
            self.serving(&mut found, None, &[], (0, false), can_rename);
            return found;
        };
        let route = self.route(model);
        self.serving(&mut found, Some((model, None)), self.preferred(route), (0, false), can_rename);
        let Some(at) = route else { return found };
        let route = &self.routes[at];
        found.route = u16::try_from(at).unwrap_or(Candidates::NO_ROUTE);
        found.repeatable = route.repeatable;
        found.hedge = route.hedge;
        found.commit = route.commit;
        found.upgrade = route.upgrade;
        for name in route.fallback_models.iter().filter(|name| can_rename && *name != model) {
            let alias = self.alias(name);
            let base = found.as_slice().last().map_or(0, |last| last.rank + 1);
            self.serving(&mut found, Some((name, alias)), self.preferred(self.route(name)), (base, true), can_rename);
        }
        found
    }

    /// The first route that is for `model`.
    fn route(&self, model: &str) -> Option<usize> {
        self.routes.iter().position(|route| route.models.iter().any(|pattern| matches(pattern, model)))
    }

    fn preferred(&self, route: Option<usize>) -> &[UpstreamId] {
        route.map_or(&[], |at| self.routes[at].upstreams.as_slice())
    }

    /// Adds those that serve a model: `preferred` in this order, or all by priority.
    fn serving(
        &self,
        found: &mut Candidates,
        model: Option<(&str, Option<Alias>)>,
        preferred: &[UpstreamId],
        (base, is_fallback): (u16, bool),
        can_rename: bool,
    ) {
        let first = found.len;
        let all = 0..u16::try_from(self.upstreams.len()).unwrap_or(u16::MAX);
        let mut add = |id: UpstreamId, rank: u16| {
            let Some(upstream) = self.upstreams.get(id.index()) else { return };
            let name = model.map(|(name, _)| name);
            if !upstream.serves(name) {
                return;
            }
            let sent = name.and_then(|name| upstream.calls(name)).map(|sent| self.alias(sent));
            let model = match sent {
                Some(alias) => alias,
                None => model.and_then(|(_, alias)| alias),
            };
            if model.is_none() || can_rename {
                found.add(Candidate { upstream: id, model, rank: base.saturating_add(rank), is_fallback });
            }
        };
        if preferred.is_empty() {
            for id in all.map(UpstreamId) {
                add(id, u16::try_from(self.upstreams[id.index()].priority).unwrap_or(u16::MAX));
            }
        } else {
            for (rank, &id) in (0..).zip(preferred) {
                add(id, rank);
            }
        }
        found.list[first..found.len].sort_by_key(|candidate| candidate.rank);
    }

    fn alias(&self, name: &str) -> Option<Alias> {
        let at = self.aliases.binary_search_by(|alias| (**alias).cmp(name)).ok()?;
        Some(Alias(u16::try_from(at).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str, priority: u32, models: &[&str]) -> Upstream {
        let models = models.iter().map(ToString::to_string).collect();
        Upstream { name: name.into(), priority, models, ..Upstream::default() }
    }

    /// `upstream` or `upstream:model`, in order, with the rank of each.
    fn told(routes: &Routes, found: &Candidates) -> Vec<String> {
        let text = |c: &Candidate| {
            let name = &routes.upstreams()[c.upstream.index()].name;
            c.model.map_or_else(|| name.clone(), |alias| format!("{name}:{}", routes.name(alias)))
        };
        found.as_slice().iter().map(text).collect()
    }

    #[test]
    fn the_candidates_serve_the_model_and_come_by_priority() {
        let fleet = vec![upstream("small", 9, &["*-mini"]), upstream("main", 1, &[]), upstream("azure", 2, &["gpt-*"])];
        let routes = Routes::new(fleet, vec![]);
        let names = |model| told(&routes, &routes.candidates(model, true));
        assert_eq!(names(Some("gpt-4o")), ["main", "azure"]);
        assert_eq!(names(Some("gpt-4o-mini")), ["main", "azure", "small"]);
        assert_eq!(names(Some("o3")), ["main"]);
        assert_eq!(names(None), ["main", "azure", "small"]);
    }

    #[test]
    fn upstreams_beyond_the_bound_are_left_out() {
        let fleet: Vec<Upstream> = (0..=UPSTREAMS_MAX).map(|n| upstream(&n.to_string(), 0, &[])).collect();
        assert_eq!(Routes::new(fleet, vec![]).candidates(None, true).as_slice().len(), UPSTREAMS_MAX);
    }

    #[test]
    fn a_request_has_a_bounded_number_of_places() {
        let fleet: Vec<Upstream> = (0..UPSTREAMS_MAX).map(|n| upstream(&n.to_string(), 0, &[])).collect();
        let route = Route { models: vec!["a".into()], fallback_models: vec!["b".into()], ..Route::default() };
        let found = Routes::new(fleet, vec![route]).candidates(Some("a"), true);
        assert_eq!(found.as_slice().len(), CANDIDATES_MAX);
    }

    /// "gpt-4o on OpenAI, then Azure under its own name, then a smaller model".
    fn usual() -> Routes {
        let mut azure = upstream("azure", 2, &["gpt-4o"]);
        azure.model_map = vec![("gpt-4o".into(), "prod-4o".into())];
        let route = Route {
            models: vec!["gpt-4o".into()],
            upstreams: vec![UpstreamId(1), UpstreamId(0)],
            fallback_models: vec!["gpt-4o-mini".into()],
            ..Route::default()
        };
        Routes::new(vec![azure, upstream("openai", 1, &[])], vec![route])
    }

    #[test]
    fn a_route_names_its_upstreams_and_then_other_models() {
        let routes = usual();
        let found = routes.candidates(Some("gpt-4o"), true);
        assert_eq!(told(&routes, &found), ["openai", "azure:prod-4o", "openai:gpt-4o-mini"]);
        let ranks: Vec<u16> = found.as_slice().iter().map(|c| c.rank).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
    }

    #[test]
    fn a_body_that_cannot_be_changed_goes_only_where_it_fits_as_it_is() {
        let routes = usual();
        assert_eq!(told(&routes, &routes.candidates(Some("gpt-4o"), false)), ["openai"]);
    }

    #[test]
    fn requests_of_one_route_are_one_group_and_others_go_by_their_upstreams() {
        let routes = usual();
        let group = |model| routes.candidates(model, true).group();
        assert_ne!(group(Some("gpt-4o")), group(None));
        assert_eq!(group(Some("o3")), group(Some("gpt-5")));
        assert_ne!(group(Some("o3")), group(None), "azure does not serve o3");
    }
}
