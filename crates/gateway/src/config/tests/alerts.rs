//! Whom a configuration names to be told of incidents, and how it keeps their credentials.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::*;

/// The one of the examples of Standard Webhooks.
pub(super) const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn with(lines: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    parse_with(&format!("[[alert]]\n{lines}\n"), &Overrides::default(), &env(variables)).map_err(|p| p.to_string())
}

/// Whether it is accepted; the credential is in `V`.
fn fits(lines: &str, value: &str) -> bool {
    with(lines, &[("V", value)]).is_ok()
}

fn shown(config: &Config, key: &str) -> String {
    let row = rows(config).into_iter().find(|row| row.table.starts_with("alert.") && row.key == key).expect("a row");
    format!("{} {}", row.value.text(), row.note.unwrap_or_default()).trim().to_owned()
}

#[test]
fn each_kind_needs_little_and_has_its_name() {
    let variables = [("SLACK_URL", "https://hooks.slack.com/services/T0/B0/x"), ("PD", "0123"), ("KEY", SIGNING_KEY)];
    for (lines, name, secrets) in [
        ("kind = \"slack\"\nurl = \"${SLACK_URL}\"", "slack", 0),
        ("kind = \"pagerduty\"\nsecret = \"${PD}\"", "pagerduty", 1),
        ("kind = \"alertmanager\"\nurl = \"http://am.example:9093\"", "alertmanager", 0),
        ("kind = \"webhook\"\nurl = \"https://a.example\"\nsecret = \"${KEY} ${KEY}\"\nname = \"n\"", "n", 2),
    ] {
        let config = with(lines, &variables).unwrap_or_else(|problems| panic!("{problems}"));
        let alert = &config.alerts[0];
        assert_eq!((alert.name.as_str(), alert.secrets.len(), alert.min_severity), (name, secrets, Severity::Warning));
        assert!(alert.proxy.is_none() && alert.roots.is_none());
    }
    let pagerduty = with("kind = \"pagerduty\"\nsecret = \"${PD}\"", &variables).expect("valid");
    assert_eq!(pagerduty.alerts[0].url.expose(), "https://events.pagerduty.com/v2/enqueue");
}

#[test]
fn a_credential_in_the_file_itself_is_refused_and_one_in_a_file_of_its_own_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("url"), "https://hooks.slack.com/services/T0/B0/x\n").expect("written");
    let env = Environment::given(folder.path(), [("HOME", "/home/a"), ("TOKEN", "x")]);
    for (lines, fits) in [
        ("kind = \"slack\"\nurl = \"https://hooks.slack.com/services/T0/B0/x\"", false),
        ("kind = \"slack\"\nurl = \"${NONE:-https://hooks.slack.com/services/T0/B0/x}\"", false),
        ("kind = \"slack\"\nurl = \"${file:url}\"", true),
        ("kind = \"slack\"\nurl = \"https://hooks.slack.com/services/${TOKEN}\"", true),
        ("kind = \"pagerduty\"\nsecret = \"0123\"", false),
        ("kind = \"pagerduty\"\nsecret = \"${NONE:-0123}\"", false),
        ("kind = \"pagerduty\"\nsecret = \"${TOKEN:-0123}\"", true),
        ("kind = \"alertmanager\"\nurl = \"http://a.example\"\nsecret = \"user:password\"", false),
        ("kind = \"webhook\"\nurl = \"https://a.example\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", false),
    ] {
        let read = parse_with(&format!("[[alert]]\n{lines}\n"), &Overrides::default(), &env);
        assert_eq!(read.is_ok(), fits, "{lines}");
        let told = read.err().map_or_else(String::new, |problems| problems.to_string());
        assert!(
            fits || told.contains("is a credential, and stands in the file itself") && told.contains("${file:"),
            "{told}"
        );
    }
}

#[test]
fn a_signing_key_has_its_form_and_its_limits() {
    let hook = "kind = \"webhook\"\nurl = \"https://a.example\"\nsecret = \"${V}\"";
    let key = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
    let (min, max) = (*alert::SIGNING_KEY_BYTES.start(), *alert::SIGNING_KEY_BYTES.end());
    assert!(fits(hook, &key(min)) && fits(hook, &key(max)));
    assert!(!fits(hook, &key(min - 1)) && !fits(hook, &key(max + 1)));
    for wrong in
        ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_***", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"]
    {
        assert!(!fits(hook, wrong), "{wrong}");
    }
    let several = |count: usize| vec![SIGNING_KEY; count].join(" ");
    assert!(fits(hook, &several(alert::SIGNING_KEYS_MAX)) && !fits(hook, &several(alert::SIGNING_KEYS_MAX + 1)));
    let integration = "kind = \"pagerduty\"\nsecret = \"${V}\"";
    assert!(
        fits(integration, &"k".repeat(kind::SECRET_BYTES_MAX))
            && !fits(integration, &"k".repeat(kind::SECRET_BYTES_MAX + 1))
    );
    assert!(!fits(integration, "two words") && !fits(integration, "é"));
}

#[test]
fn a_credential_goes_to_no_address_that_others_can_read() {
    for (kind, url, secret, fits) in [
        ("slack", "http://hooks.example/x", "", false),
        ("slack", "http://127.0.0.1:1/x", "", true),
        ("pagerduty", "http://pd.example", "k", false),
        ("pagerduty", "https://pd.example/v2/enqueue", "k", true),
        ("webhook", "http://hooks.example/x", SIGNING_KEY, true),
        ("alertmanager", "http://am.example:9093/prefix", "", true),
        ("alertmanager", "http://am.example:9093/?x=1", "", false),
        ("webhook", "https://a.example/?token=x", SIGNING_KEY, false),
        ("webhook", "https://a:b@a.example", SIGNING_KEY, false),
        ("webhook", "ftp://a.example", SIGNING_KEY, false),
    ] {
        let secret_line = if secret.is_empty() { "" } else { "secret = \"${S}\"" };
        let read = with(&format!("kind = \"{kind}\"\nurl = \"${{U}}\"\n{secret_line}"), &[("U", url), ("S", secret)]);
        assert_eq!(read.is_ok(), fits, "{kind} {url}: {:?}", read.err());
    }
}

#[test]
fn what_is_shown_is_where_a_credential_is_kept() {
    let variables = [("U", "https://hooks.example/services/canary"), ("V", SIGNING_KEY)];
    let slack = with("kind = \"slack\"\nurl = \"${U}\"", &variables).expect("valid");
    assert_eq!(shown(&slack, "url"), "set (env U)");
    let hook = "kind = \"webhook\"\nsecret = \"${V} ${V}\"\nurl = ";
    let in_file = with(&format!("{hook}\"https://a.example:8443/canary?canary=1\""), &variables).expect("valid");
    assert_eq!(shown(&in_file, "url"), "\"https://a.example:8443/…\"");
    assert_eq!(shown(&in_file, "secret"), "set (env V and env V) 2 of them");
    let by_reference = with(&format!("{hook}\"${{U}}\""), &variables).expect("valid");
    assert_eq!(shown(&by_reference, "url"), "set (env U)");
    for config in [slack, in_file, by_reference] {
        let told: Vec<String> = rows(&config).iter().map(|row| format!("{row:?} {}", row.json(&config))).collect();
        assert!(told.iter().all(|row| !row.contains("canary") && !row.contains("MfKQ")), "{told:?}");
    }
}

#[test]
fn an_alertmanagers_login_is_told_from_its_token_by_the_colon() {
    let header = |value: &str| {
        let config = with("kind = \"alertmanager\"\nurl = \"http://a.example\"\nsecret = \"${V}\"", &[("V", value)]);
        authorization(&config.expect("valid").alerts[0].secrets[0]).expect("a header")
    };
    assert_eq!(header("user:pass"), "Basic dXNlcjpwYXNz");
    assert_eq!(header("a.b-c"), "Bearer a.b-c");
    assert!(header("a.b-c").is_sensitive());
}

#[test]
fn receivers_have_a_number_and_names_of_their_own() {
    let many = |count: usize| {
        let one = |n| format!("[[alert]]\nkind = \"alertmanager\"\nname = \"a{n}\"\nurl = \"http://a.example\"\n");
        parse(&(0..count).map(one).collect::<String>())
    };
    assert!(many(alert::ALERTS_MAX).is_ok() && many(alert::ALERTS_MAX + 1).is_err());
    let twice = "[[alert]]\nkind = \"alertmanager\"\nurl = \"http://a.example\"\n".repeat(2);
    assert!(bad(&twice).to_string().contains("two alerts are called \"alertmanager\""));
    let mixed = "[[alert]]\nkind = \"alertmanager\"\nurl = \"http://a.example\"\n[[alert]]\nkind = \"alertmanager\"\nname = \"two\"\nurl = \"http://a.example\"\n";
    assert_eq!(good(mixed).alerts.len(), 2);
}

#[test]
fn a_receiver_is_reached_as_an_upstream_is() {
    let proxy = |line: &str| {
        let text = format!("kind = \"alertmanager\"\nurl = \"http://am.example\"\n{line}");
        let config = with(&text, &[("HTTP_PROXY", "http://by-env:3128")]).expect("valid");
        (config.alerts[0].proxy.as_ref().map(|proxy| proxy.host.clone()), shown(&config, "proxy"))
    };
    assert_eq!(proxy(""), (Some("by-env".into()), "\"env\" http://by-env:3128 by env HTTP_PROXY".into()));
    assert_eq!(proxy("proxy = \"none\"").0, None);
    assert_eq!(
        proxy("proxy = \"http://me:pw@by-file:3128\""),
        (Some("by-file".into()), "\"http://by-file:3128\"".into())
    );
}
