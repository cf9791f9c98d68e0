//! Where a gateway sends traces and metrics: the collector of its configuration, as it is spoken to.

use aws_lc_rs::rand;
use http::HeaderMap;
use seawall::Upstream as Way;

use super::through;
use crate::config::{self, Config, Roots};
use crate::observe::telemetry::{Collector, Place, Propagation, Settings};

/// What is sent, and where.
pub(crate) fn settings(config: &Config) -> Settings {
    let propagation = match config.telemetry.traceparent {
        config::Propagation::Off => Propagation::Off,
        config::Propagation::Accept => Propagation::Accept,
        config::Propagation::Forward => Propagation::Forward,
    };
    let places = config.upstreams.iter().map(|upstream| Place::of(&upstream.name, &upstream.base)).collect();
    Settings { propagation, collector: collector(config), places }
}

fn collector(config: &Config) -> Option<Collector> {
    let telemetry = &config.telemetry;
    let mut way = Way::at("telemetry", telemetry.collector()?.clone());
    way.proxy = telemetry.proxy.as_ref().map(through);
    way.roots_pem = telemetry.roots.as_ref().map(|Roots { pem, .. }| pem.clone());
    let sent = |(name, value): &(http::HeaderName, config::Secret)| Some((name.clone(), config::sent(value)?));
    Some(Collector {
        way,
        headers: HeaderMap::from_iter(telemetry.headers.iter().filter_map(sent)),
        traces: telemetry.traces,
        metrics_every: telemetry.metrics.then_some(telemetry.metrics_every),
        sample_ppm: telemetry.sample_ppm,
        service_name: telemetry.service_name.clone(),
        instance: instance(),
        resource: telemetry.resource.clone(),
    })
}

/// A UUID of version 4: the resource of this process and of no other.
fn instance() -> String {
    let mut bytes = [0; 16];
    // Without chance there is none to tell apart by; then all are called the same, which is no reason not to start.
    let _ = rand::fill(&mut bytes);
    let n = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{n:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_called_unlike_any_other() {
        let (one, other) = (instance(), instance());
        assert_ne!(one, other);
        assert_eq!((one.len(), &one[14..15]), (36, "4"), "{one}");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }
}
