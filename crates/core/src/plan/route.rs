//! Which upstreams may serve a request, in what order.

use crate::upstream::{Upstream, UpstreamId};

/// The most upstreams that a configuration may name.
pub const UPSTREAMS_MAX: usize = 32;

/// What the operator decided for some models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// Model patterns it is for; the first route that fits is taken.
    pub models: Vec<String>,
    /// The upstreams to ask, the preferred first; empty for all that serve the model, by priority.
    pub upstreams: Vec<UpstreamId>,
    /// Models to ask for after these have failed, in order: another name for the same request.
    pub fallback_models: Vec<String>,
    /// Whether its requests may be repeated, whatever they are.
    pub repeatable: bool,
    /// Whether its requests are hedged; `None` as in the policy.
    pub hedge: Option<bool>,
}

/// The upstreams that may serve one request, the preferred first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates {
    ids: [UpstreamId; UPSTREAMS_MAX],
    len: usize,
}

impl Candidates {
    /// Those of `fleet` that serve `model`, by priority and then in the order given. Upstreams
    /// beyond [`UPSTREAMS_MAX`] are not considered: the configuration refuses them.
    #[must_use]
    pub fn of(fleet: &[Upstream], model: Option<&str>) -> Candidates {
        let mut found = Candidates { ids: [UpstreamId(0); UPSTREAMS_MAX], len: 0 };
        for (at, upstream) in fleet.iter().enumerate().take(UPSTREAMS_MAX) {
            if upstream.serves(model) {
                found.ids[found.len] = UpstreamId(u16::try_from(at).expect("below UPSTREAMS_MAX"));
                found.len += 1;
            }
        }
        found.ids[..found.len].sort_by_key(|id| fleet[id.index()].priority);
        found
    }

    /// The upstreams, the preferred first.
    #[must_use]
    pub fn as_slice(&self) -> &[UpstreamId] {
        &self.ids[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str, priority: u32, models: &[&str]) -> Upstream {
        Upstream {
            name: name.into(),
            priority,
            models: models.iter().map(ToString::to_string).collect(),
            ..Upstream::default()
        }
    }

    #[test]
    fn the_candidates_serve_the_model_and_come_by_priority() {
        let fleet = [upstream("small", 9, &["*-mini"]), upstream("main", 1, &[]), upstream("azure", 2, &["gpt-*"])];
        let ids = |model| Candidates::of(&fleet, model).as_slice().iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(ids(Some("gpt-4o")), [1, 2]);
        assert_eq!(ids(Some("gpt-4o-mini")), [1, 2, 0]);
        assert_eq!(ids(Some("o3")), [1]);
        assert_eq!(ids(None), [1, 2, 0]);
    }

    #[test]
    fn upstreams_beyond_the_bound_are_left_out() {
        let fleet: Vec<Upstream> = (0..=UPSTREAMS_MAX).map(|n| upstream(&n.to_string(), 0, &[])).collect();
        assert_eq!(Candidates::of(&fleet, None).as_slice().len(), UPSTREAMS_MAX);
    }
}
