//! The forms of `/metrics`: OpenMetrics, the older text of Prometheus, and Prometheus' protobuf.
//!
//! In OpenMetrics a counter is declared as `seawall_saved` and its sample is `seawall_saved_total`. A
//! reader of the older form takes these for two different things, and the sample for one of unknown type.
//! So who does not ask for OpenMetrics gets the older form, in which both have the same name. Prometheus
//! asks for OpenMetrics; many other collectors, and people with `curl`, do not.
//!
//! In protobuf alone a histogram has native buckets. A Prometheus that wants these asks for it before anything else.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;

use super::metrics::{Metrics, Readings};

/// The name of OpenMetrics among media types.
const OPENMETRICS: &str = "application/openmetrics-text";

/// The name of Prometheus' protobuf among media types, and what stands behind it.
const PROTOBUF: [&str; 3] =
    ["application/vnd.google.protobuf", "proto=io.prometheus.client.metricfamily", "encoding=delimited"];

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Prometheus' `io.prometheus.client.MetricFamily`, each behind its length.
    Protobuf,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text, version 0.0.4.
    Text,
}

impl Form {
    /// The form that a reader with these `Accept` headers takes: of protobuf and OpenMetrics the one that it likes
    /// better, or names first; text, if it names neither.
    pub(crate) fn wanted<'a>(accept: impl IntoIterator<Item = &'a str>) -> Form {
        let mut best = (0.0, Form::Text);
        for (weight, form) in accept.into_iter().flat_map(|value| value.split(',')).filter_map(named) {
            // A weight of nothing means: anything but this.
            if weight > best.0 {
                best = (weight, form);
            }
        }
        best.1
    }

    /// The header `content-type` of this form.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Form::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The metrics in this form.
    pub(crate) fn of(self, metrics: &Metrics, readings: &Readings) -> Bytes {
        match self {
            Form::Protobuf => metrics.protobuf(readings).into(),
            Form::OpenMetrics => metrics.text(readings).into(),
            Form::Text => plain(&metrics.text(readings)).into(),
        }
    }
}

/// The form that a range of media types names, and how well it is liked: from 0 to 1.
fn named(range: &str) -> Option<(f32, Form)> {
    let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = parts.next()?;
    let parts: Vec<String> = parts.collect();
    let form = match &*kind {
        OPENMETRICS => Form::OpenMetrics,
        kind if kind == PROTOBUF[0] && PROTOBUF[1..].iter().all(|wanted| parts.iter().any(|part| part == wanted)) => {
            Form::Protobuf
        }
        _ => return None,
    };
    let weight = parts.iter().find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
    Some((weight.unwrap_or(1.0), form))
}

/// In the older text: declarations carry the names of their samples, and what it does not know is left out.
/// Samples are the same in both.
fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 1024);
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(said) = line.strip_prefix("# ") else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let mut words = said.splitn(3, ' ');
        let (Some(keyword), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else { continue };
        // The type, which decides over the name, is in the next line.
        let kind = match keyword {
            "HELP" => lines.peek().and_then(|next| next.strip_prefix("# TYPE ")?.strip_prefix(name)).unwrap_or(""),
            "TYPE" => rest,
            _ => continue,
        };
        let (name, kind): (Cow<'_, str>, &str) = match kind.trim_start() {
            "counter" => (format!("{name}_total").into(), "counter"),
            "info" => (format!("{name}_info").into(), "gauge"),
            "unknown" => (name.into(), "untyped"),
            other => (name.into(), other),
        };
        let said = if keyword == "HELP" { rest } else { kind };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# {keyword} {name} {said}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_a_form_gets_it_and_nobody_else() {
        let wanted = |accept: &[&str]| Form::wanted(accept.iter().copied());
        // Prometheus 2.42 and 3.
        let old = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let new =
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4";
        assert_eq!(wanted(&[old]), Form::OpenMetrics);
        assert_eq!(wanted(&["text/html", new]), Form::OpenMetrics);
        assert_eq!(wanted(&["Application/OpenMetrics-Text"]), Form::OpenMetrics);
        assert_eq!(wanted(&["application/openmetrics-text;q=0, text/plain"]), Form::Text);
        assert_eq!(wanted(&["application/openmetrics-text; q=0.0"]), Form::Text);
        assert_eq!(wanted(&["*/*"]), Form::Text);
        assert_eq!(wanted(&["text/plain;x=application/openmetrics-text"]), Form::Text);
        assert_eq!(wanted(&[]), Form::Text);
        // With native histograms: Prometheus 2.42 and 3.
        let old = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                   application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let new = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                   application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3";
        let last = "application/openmetrics-text;version=1.0.0;q=0.6,\
                    application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5";
        assert_eq!(
            (wanted(&[old]), wanted(&[new]), wanted(&[last])),
            (Form::Protobuf, Form::Protobuf, Form::OpenMetrics)
        );
        // Another message, or another way to put them in a row.
        for other in [
            "proto=io.prometheus.write.v2.Request;encoding=delimited",
            "proto=io.prometheus.client.MetricFamily;encoding=text",
            "",
        ] {
            assert_eq!(wanted(&[&format!("application/vnd.google.protobuf;{other}")]), Form::Text);
        }
        assert_eq!(wanted(&[&old.replacen("delimited,", "delimited;q=0,", 1)]), Form::OpenMetrics);
    }

    #[test]
    fn the_older_text_declares_what_it_samples() {
        let openmetrics = "# HELP up_build Version.\n# TYPE up_build info\nup_build_info{version=\"1\"} 1\n\
                           # HELP up_saved Saved, all of them.\n# TYPE up_saved counter\nup_saved_total{m=\"# TYPE x\"} 2\n\
                           # HELP up_seconds Time.\n# TYPE up_seconds histogram\n# UNIT up_seconds seconds\n\
                           up_seconds_sum 1.5\nup_seconds_count 1\nup_seconds_bucket{le=\"+Inf\"} 1\n\
                           # HELP up_x X.\n# TYPE up_x unknown\nup_x 1\n# EOF\n";
        let text = "# HELP up_build_info Version.\n# TYPE up_build_info gauge\nup_build_info{version=\"1\"} 1\n\
                    # HELP up_saved_total Saved, all of them.\n# TYPE up_saved_total counter\nup_saved_total{m=\"# TYPE x\"} 2\n\
                    # HELP up_seconds Time.\n# TYPE up_seconds histogram\n\
                    up_seconds_sum 1.5\nup_seconds_count 1\nup_seconds_bucket{le=\"+Inf\"} 1\n\
                    # HELP up_x X.\n# TYPE up_x untyped\nup_x 1\n";
        assert_eq!(plain(openmetrics), text);
    }
}
