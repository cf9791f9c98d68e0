//! Whom a gateway tells of incidents: the receivers of its configuration, as they are spoken to.

use std::net::SocketAddr;
use std::time::Duration;

use seawall::Upstream as Way;
use zeroize::Zeroizing;

use super::through;
use crate::config::{AlertConfig, AlertKind, Config, Roots, Secret, authorization, signing_key};
use crate::observe::alert::{Form, Links, Settings};

/// Every receiver, in the order of the configuration.
pub(crate) fn receivers(config: &Config) -> Vec<Settings> {
    let remind_every = config.incident.limits.remind_every;
    config.alerts.iter().filter_map(|alert| receiver(alert, remind_every)).collect()
}

/// `None` for an address that is none, which the configuration rules out.
fn receiver(alert: &AlertConfig, remind_every: Duration) -> Option<Settings> {
    let mut way = Way::at(alert.name.clone(), alert.url.expose().parse().ok()?);
    way.proxy = alert.proxy.as_ref().map(through);
    way.roots_pem = alert.roots.as_ref().map(|Roots { pem, .. }| pem.clone());
    let first = alert.secrets.first();
    let form = match alert.kind {
        AlertKind::Slack => Form::Slack,
        AlertKind::Pagerduty => {
            let key = first.map(Secret::expose).unwrap_or_default();
            Form::Pagerduty { routing_key: Zeroizing::new(key.to_owned()) }
        }
        AlertKind::Alertmanager => Form::Alertmanager { authorization: first.and_then(authorization), remind_every },
        AlertKind::Webhook => {
            Form::Webhook { keys: alert.secrets.iter().filter_map(|secret| signing_key(secret.expose())).collect() }
        }
    };
    Some(Settings { name: alert.name.clone(), form, min_severity: alert.min_severity, way })
}

/// What a notice points at. An admin side on every address has no one address that could be written down.
pub(crate) fn links(admin: SocketAddr) -> Links {
    let is_one = !admin.ip().is_unspecified() && admin.port() != 0;
    Links { admin: is_one.then(|| format!("http://{admin}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_points_at_an_admin_side_that_has_one_address() {
        for (admin, link) in [
            ("127.0.0.1:7501", Some("http://127.0.0.1:7501")),
            ("[::1]:7501", Some("http://[::1]:7501")),
            ("0.0.0.0:7501", None),
            ("[::]:7501", None),
            ("127.0.0.1:0", None),
        ] {
            assert_eq!(links(admin.parse().unwrap()).admin.as_deref(), link, "{admin}");
        }
    }
}
