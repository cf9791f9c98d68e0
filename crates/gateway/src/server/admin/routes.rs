//! Every page of the admin side: one table, from which requests are answered, checked, tested and described.
//!
//! A page that is not in the table does not exist, and one in it cannot lack its lock: who may see it is a
//! field that every row has. A router of a library would hide its rows, and then the tests of who may see
//! what, and the description for programs, would need a second list that can be forgotten.

use http::Method;

/// One page.
#[derive(Debug)]
pub(super) struct Route {
    /// What may be done with it.
    pub(super) verb: Verb,
    /// Where it is. `{id}` stands for one segment, whatever it is.
    pub(super) path: &'static str,
    /// Who may.
    pub(super) access: Access,
    /// What it is.
    pub(super) page: Page,
    /// The same for people.
    pub(super) says: &'static str,
}

/// What is done with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// It is read: `GET` and `HEAD`.
    Read,
    /// It changes something: `POST`.
    Change,
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// Everybody who can connect: supervisors and load balancers have no token.
    Open,
    /// Whoever has the admin token, where one is set.
    Operator,
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Live,
    Ready,
    Metrics,
    Index,
    Summary,
    Upstreams,
    Listen,
    Failures,
    Groups,
    Request,
    Status,
    Incidents,
    Incident,
    Report,
    Acknowledge,
    Alerts,
    OpenApi,
}

const fn read(path: &'static str, access: Access, page: Page, says: &'static str) -> Route {
    Route { verb: Verb::Read, path, access, page, says }
}

const fn change(path: &'static str, page: Page, says: &'static str) -> Route {
    Route { verb: Verb::Change, path, access: Access::Operator, page, says }
}

use Access::{Open, Operator};

/// Every page.
pub(super) static ROUTES: [Route; 18] = [
    read("/livez", Open, Page::Live, "Whether the process turns."),
    read("/readyz", Open, Page::Ready, "Whether it takes requests: 503 while it shuts down."),
    read("/healthz", Open, Page::Ready, "The same as `/readyz`."),
    read("/", Operator, Page::Index, "The pages there are."),
    read("/metrics", Operator, Page::Metrics, "The numbers, for Prometheus."),
    read("/api/v1/summary", Operator, Page::Summary, "How things are now."),
    read(
        "/api/v1/failures",
        Operator,
        Page::Failures,
        "Failed attempts on record, the newest first, a page at a time.",
    ),
    read("/api/v1/groups", Operator, Page::Groups, "Failed attempts on record by kind, with the course of each."),
    read("/api/v1/requests/{id}", Operator, Page::Request, "The requests on record with this id, attempt by attempt."),
    read("/api/v1/upstreams", Operator, Page::Upstreams, "Each upstream, now and in the last 90 minutes."),
    read("/api/v1/live", Operator, Page::Listen, "What happens, as it happens: server-sent events."),
    read("/api/v1/status", Operator, Page::Status, "What the status page of each upstream says."),
    read("/api/v1/incidents", Operator, Page::Incidents, "Incidents, the newest first."),
    read("/api/v1/incidents/{id}", Operator, Page::Incident, "One incident, with what was told of it."),
    read(
        "/api/v1/incidents/{id}/report",
        Operator,
        Page::Report,
        "What the provider's support is sent of it: JSON, or Markdown with `?format=md`.",
    ),
    change("/api/v1/incidents/{id}/acknowledge", Page::Acknowledge, "Notes that somebody knows of an incident."),
    read("/api/v1/openapi.json", Operator, Page::OpenApi, "This API, described for programs."),
    read("/api/v1/alerts", Operator, Page::Alerts, "How each receiver of alerts stands."),
];

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Found {
    /// This page; `id` is what stands for `{id}` in its path, as it was sent.
    Page {
        /// The page.
        route: &'static Route,
        /// The segment, empty where the path has none.
        id: String,
    },
    /// There is a page, but not for this method.
    OtherMethod(Verb),
    /// No such page.
    Nothing,
}

/// The page at `path` for `method`. A slash at its end does not matter.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let path = path.strip_suffix('/').filter(|path| !path.is_empty() && !path.ends_with('/')).unwrap_or(path);
    let mut other = None;
    for route in &ROUTES {
        let Some(id) = matched(route.path, path) else { continue };
        if route.verb.takes(method) {
            return Found::Page { route, id: id.to_owned() };
        }
        other = Some(route.verb);
    }
    other.map_or(Found::Nothing, Found::OtherMethod)
}

/// What stands for `{id}` if `path` is of this pattern; empty where the pattern has none.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{id}") else { return (pattern == path).then_some("") };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

impl Verb {
    fn takes(self, method: &Method) -> bool {
        match self {
            Verb::Read => method == Method::GET || method == Method::HEAD,
            Verb::Change => method == Method::POST,
        }
    }

    /// For the header `Allow`.
    pub(super) fn allows(self) -> &'static str {
        match self {
            Verb::Read => "GET, HEAD",
            Verb::Change => "POST",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn id_of(method: &Method, path: &str) -> Option<(Page, String)> {
        match find(method, path) {
            Found::Page { route, id } => Some((route.page, id)),
            Found::OtherMethod(_) | Found::Nothing => None,
        }
    }

    #[test]
    fn a_path_is_one_page_or_none() {
        let get = |path| id_of(&Method::GET, path);
        assert_eq!(get("/api/v1/incidents/inc_1"), Some((Page::Incident, "inc_1".to_owned())));
        assert_eq!(get("/api/v1/incidents/"), Some((Page::Incidents, String::new())));
        assert_eq!(get("/"), Some((Page::Index, String::new())));
        for nothing in
            ["", "//", "/api/v1/incidents//", "/api/v1/incidents/a/b", "/livez/x", "/api/v1/incidents//acknowledge"]
        {
            assert_eq!(get(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_changes_something_is_posted_and_what_is_read_is_not() {
        let acknowledge = "/api/v1/incidents/inc_1/acknowledge";
        assert_eq!(id_of(&Method::POST, acknowledge), Some((Page::Acknowledge, "inc_1".to_owned())));
        assert!(matches!(find(&Method::GET, acknowledge), Found::OtherMethod(Verb::Change)));
        assert!(matches!(find(&Method::POST, "/metrics"), Found::OtherMethod(Verb::Read)));
        assert_eq!(id_of(&Method::HEAD, "/livez"), Some((Page::Live, String::new())));
    }

    #[test]
    fn no_two_rows_are_the_same_page() {
        let places: BTreeSet<_> = ROUTES.iter().map(|route| (route.path, route.verb.allows())).collect();
        assert_eq!(places.len(), ROUTES.len());
        for route in &ROUTES {
            assert!(route.path.matches('{').count() <= 1, "{}: one id at most", route.path);
            assert!(
                route.verb == Verb::Read || route.access == Access::Operator,
                "{}: nobody changes things unasked",
                route.path
            );
        }
    }
}
